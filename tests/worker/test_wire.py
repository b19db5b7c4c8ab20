"""What a node and a worker say to each other arrives whole, in order, from any thread."""

import socket
import threading
from collections.abc import Iterator

import pytest

from jobhost.worker.framing import framed
from jobhost.worker.wire import (
    Goodbye,
    Hello,
    LeaveOut,
    Lost,
    Message,
    Ping,
    Pong,
    Ready,
    Tidings,
    Welcome,
    Wire,
)

EVERY: list[Message] = [
    Hello(url="sqlite:///ä.db", tasks=["one", "zwei"], queues={"mail": 3}, slots=2, version="1"),
    Ready(),
    Pong(running=3),
    Lost(number=7),
    Goodbye(code=75),
    Welcome(number=8, id="ab"),
    Ping(),
    Tidings(lapsed=True, due_in_us=None, ready=False, blocked=True),
    LeaveOut(tasks=["bad"]),
]


@pytest.fixture
def ends() -> Iterator[tuple[Wire, Wire]]:
    """A worker's, which waits, and a node's, which does not."""
    worker, node = socket.socketpair()
    one, two = Wire(worker.detach()), Wire(node.detach(), patient=False)
    yield one, two
    one.close()
    two.close()


@pytest.mark.parametrize("message", EVERY, ids=lambda message: type(message).__name__)
def test_every_message_arrives_as_it_was_sent(ends: tuple[Wire, Wire], message: Message) -> None:
    worker, node = ends
    assert worker.send(message)
    assert list(node.heard()) == [message]
    assert list(node.heard()) == []
    assert node.send(message)
    assert worker.receive() == message


def test_messages_of_many_threads_are_never_mixed(ends: tuple[Wire, Wire]) -> None:
    worker, node = ends
    senders = [
        threading.Thread(target=lambda n=n: [node.send(Pong(running=n)) for _ in range(200)])
        for n in range(4)
    ]
    for sender in senders:
        sender.start()
    heard: list[Message | None] = []
    listener = threading.Thread(target=lambda: [heard.append(worker.receive()) for _ in range(800)])
    listener.start()
    while listener.is_alive():  # what found no room goes with the node's next look
        assert list(node.heard()) == []
        listener.join(0.01)
    for sender in senders:
        sender.join()
    assert [heard.count(Pong(running=n)) for n in range(4)] == [200] * 4


def test_an_end_that_is_closed_is_noticed_by_both(ends: tuple[Wire, Wire]) -> None:
    worker, node = ends
    worker.send(Ready())
    worker.close()
    assert list(node.heard()) == [Ready(), None]
    assert list(node.heard()) == [None]
    assert not node.send(Ready())


def test_a_patient_end_hears_the_end_of_the_other() -> None:
    ours, theirs = socket.socketpair()
    wire = Wire(ours.detach())
    theirs.close()
    assert wire.receive() is None
    assert not wire.send(Ready())
    wire.close()


def test_a_node_never_waits_for_the_rest_of_a_message() -> None:
    ours, theirs = socket.socketpair()
    wire = Wire(ours.detach(), patient=False)
    message = framed(b'["Pong", {"running": 5}]')
    for at in range(len(message)):
        assert list(wire.heard()) == []
        theirs.sendall(message[at : at + 1])
    assert list(wire.heard()) == [Pong(running=5)]
    theirs.sendall(message[:7])
    theirs.close()
    assert list(wire.heard()) == [None], "who dies in the middle of a message has not said it"
    wire.close()


def test_a_node_never_waits_for_who_reads_nothing_and_says_later_what_found_no_room() -> None:
    ours, theirs = socket.socketpair()
    node, worker = Wire(ours.detach(), patient=False), Wire(theirs.detach())
    long = LeaveOut(tasks=["x" * 300_000])
    for _ in range(3):
        assert node.send(long)
    assert node.send(Ping())

    heard: list[Message | None] = []
    reader = threading.Thread(
        target=lambda: heard.extend(worker.receive() for _ in range(4)), daemon=True
    )
    reader.start()
    while reader.is_alive():
        list(node.heard())
    assert heard == [long, long, long, Ping()]
    node.close()
    worker.close()


def test_who_leaves_more_unread_than_a_node_keeps_hears_no_more() -> None:
    ours, theirs = socket.socketpair()
    node = Wire(ours.detach(), patient=False)
    said = 0
    while node.send(LeaveOut(tasks=["x" * 100_000])):
        said += 1
    assert 10 <= said < 100
    assert list(node.heard()) == [None]
    node.close()
    theirs.close()
