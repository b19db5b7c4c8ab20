"""What a node and a worker say to each other arrives whole, in order, from any thread."""

import socket
import threading
from collections.abc import Iterator

import pytest

from jobhost.worker.wire import (
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
    Welcome(number=8, id="ab"),
    Ping(),
    Tidings(lapsed=True, due_in_us=None, ready=False, blocked=True),
    LeaveOut(tasks=["bad"]),
]


@pytest.fixture
def ends() -> Iterator[tuple[Wire, Wire]]:
    one, two = (Wire(end.detach()) for end in socket.socketpair())
    yield one, two
    one.close()
    two.close()


@pytest.mark.parametrize("message", EVERY, ids=lambda message: type(message).__name__)
def test_every_message_arrives_as_it_was_sent(ends: tuple[Wire, Wire], message: Message) -> None:
    one, two = ends
    assert one.send(message)
    assert two.waits()
    assert two.receive() == message
    assert not two.waits()


def test_messages_of_many_threads_are_never_mixed(ends: tuple[Wire, Wire]) -> None:
    one, two = ends
    senders = [
        threading.Thread(target=lambda n=n: [one.send(Pong(running=n)) for _ in range(200)])
        for n in range(4)
    ]
    for sender in senders:
        sender.start()
    heard = [two.receive() for _ in range(800)]
    for sender in senders:
        sender.join()
    assert [heard.count(Pong(running=n)) for n in range(4)] == [200] * 4


def test_an_end_that_is_closed_is_noticed_by_both(ends: tuple[Wire, Wire]) -> None:
    one, two = ends
    one.send(Ready())
    one.close()
    assert two.receive() == Ready()
    assert two.waits()
    assert two.receive() is None
    assert not two.send(Ready())
