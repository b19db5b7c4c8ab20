"""A worker takes its number once it is listened for, and never misses that it was lost."""

import json
import socket
import threading

import pytest

from jobhost.errors import StoreUnavailable
from jobhost.worker.link import Link
from jobhost.worker.wire import Hello, Message, Ping, Pong, Tidings, Told, Welcome, Wire

HELLO = Hello(url="sqlite:///a", tasks=["a"], queues={"mail": 1}, slots=2, version="1")
FIRST, SECOND = Welcome(number=1, id="one"), Welcome(number=2, id="two")


class Node:
    """The other end of a link; the link lives until the process ends, as in a worker."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._wire = Wire(ours.detach())
        self.link = Link(Wire(theirs.detach()))
        self.link.start(HELLO)
        assert self._wire.receive() == HELLO

    def say(self, *messages: Welcome | Tidings) -> None:
        """Returns when the link has heeded them."""
        for message in [*messages, Ping()]:
            self._wire.send(message)
        assert self._wire.receive() == Pong(running=0)

    def ask(self) -> list[Message | None]:
        """A ping, and what is said until the answer to the next one."""
        self._wire.send(Ping())
        self._wire.send(Ping())
        said = [self._wire.receive()]
        while said.count(Pong(running=0)) < 2:
            said.append(self._wire.receive())
        return said


_NODES: list[Node] = []
"""They stay open: a link whose other end is closed ends the process."""


@pytest.fixture
def node() -> Node:
    _NODES.append(Node())
    return _NODES[-1]


def _news(ready: bool) -> Tidings:
    return Tidings(lapsed=False, due_in_us=None, ready=ready, blocked=False)


def test_a_number_is_given_until_it_is_taken(node: Node):
    node.say(FIRST)

    assert node.link.registration() == node.link.registration() == FIRST
    node.link.take(node.link.registration(), on_lost=lambda: None, on_news=lambda news: None)
    node.link.hurry()
    with pytest.raises(StoreUnavailable):
        node.link.registration()


def test_who_takes_a_number_that_a_newer_one_has_replaced_is_told_at_once(node: Node):
    lost: list[str] = []
    node.say(FIRST)
    taken = node.link.registration()
    node.say(SECOND)
    node.link.take(taken, on_lost=lambda: lost.append("first"), on_news=lambda news: None)

    assert lost == ["first"]
    assert node.link.registration() == SECOND


def test_a_loss_is_told_once_to_who_has_the_number(node: Node):
    lost: list[str] = []
    node.say(FIRST)
    node.link.take(
        node.link.registration(), on_lost=lambda: lost.append("first"), on_news=lambda news: None
    )
    node.say(SECOND)
    assert lost == ["first"]
    node.say(Welcome(number=3, id="three"))
    assert lost == ["first"], "nobody has the second number"
    third = node.link.registration()
    node.link.take(third, on_lost=lambda: lost.append("third"), on_news=lambda news: None)
    assert lost == ["first"]
    node.say(Welcome(number=4, id="four"))
    assert lost == ["first", "third"]


def test_news_go_to_who_has_taken_the_last_number(node: Node):
    heard: list[tuple[str, bool]] = []
    node.say(_news(ready=True), FIRST)
    node.link.take(
        node.link.registration(),
        on_lost=lambda: None,
        on_news=lambda news: heard.append((threading.current_thread().name, news.ready)),
    )
    node.say(_news(ready=False))

    assert heard == [("jobhost-link", False)]


def test_rates_are_told_with_the_answer_to_a_ping_unless_they_are_as_before(node: Node):
    answer = Pong(running=0)
    assert node.ask() == [answer, answer]

    rates = {"seconds": 5.0, "queues": [["mail", 0, 3, 2, 1]]}
    node.link.rates = lambda: rates
    assert node.ask() == [answer, Told(rates=json.dumps(rates)), answer]
    assert node.ask() == [answer, answer]
