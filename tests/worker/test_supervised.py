"""A worker below a node says that it is ready when it works, and claims nothing before."""

import socket
import threading
from uuid import uuid4

import pytest

from jobhost import JobHost, State, current_job
from jobhost.store.plans.nodes import NewNode, register
from jobhost.store.readable import until_readable
from jobhost.worker.link import Link
from jobhost.worker.wire import Hello, Lost, Message, Ready, Stop, Welcome, Wire
from jobhost.worker.worker import Worker

pytestmark = pytest.mark.stores("sqlite", "postgres")
GUARD_SECONDS = 60.0
NOBODY = 1_000_000
_ENDS: list[Wire] = []
"""They stay open: a link whose other end is closed ends the process."""


class Node:
    """The other end of one worker, which runs in a thread here."""

    def __init__(self, host: JobHost, **settings: str) -> None:
        ours, theirs = socket.socketpair()
        self._wire = Wire(ours.detach())
        _ENDS.append(self._wire)
        self._host = host
        self._worker: Worker = host.worker(**settings)
        self._worker.obey(Link(Wire(theirs.detach())), host.address)
        self._thread = threading.Thread(target=self._worker.run, daemon=True)
        self._thread.start()
        assert isinstance(self.hear(), Hello)

    def hear(self) -> Message | None:
        """Its next words."""
        assert until_readable([self._wire.fileno()], GUARD_SECONDS), "it says nothing"
        return self._wire.receive()

    def ask_to_stop(self) -> None:
        """The word before the node's SIGTERM."""
        self._wire.send(Stop())

    def welcome(self, welcome: Welcome) -> None:
        self._wire.send(welcome)

    def enter(self) -> Welcome:
        """A place in the store."""
        new = NewNode(
            id=uuid4().hex, host="test", pid=1, version="1", slots=20,
            queues=["default"], tasks=["note"], lease_us=600_000_000,
        )  # fmt: skip
        number = self._host.store.write(lambda: register(new))
        return Welcome(number=number, id=new.id)

    def stop(self) -> None:
        self._worker.stop()
        self._thread.join(GUARD_SECONDS)
        assert not self._thread.is_alive()


def test_a_worker_is_ready_once_its_first_turn_has_found_its_lease_and_claims_nothing_before(
    host: JobHost,
):
    @host.task
    async def note(name: str) -> str:
        return name

    job = note.enqueue("job")
    node = Node(host)
    try:
        node.welcome(Welcome(number=NOBODY, id="nobody"))
        assert node.hear() == Lost(number=NOBODY)
        assert job.status().deliveries == 0
        node.welcome(node.enter())
        assert node.hear() == Ready()
        assert note.enqueue("next").result("60s") == "next"
    finally:
        node.stop()


def test_a_worker_that_was_ready_does_not_say_so_again_when_it_is_entered_anew(host: JobHost):
    @host.task
    async def note(name: str) -> str:
        return name

    node = Node(host)
    try:
        node.welcome(node.enter())
        assert node.hear() == Ready()
        node.welcome(Welcome(number=NOBODY, id="nobody"))
        assert node.hear() == Lost(number=NOBODY), "nothing else is said in between"
        node.welcome(node.enter())
        assert note.enqueue("job").result("60s") == "job"
    finally:
        node.stop()


@pytest.mark.parametrize("asked", [True, False], ids=["by its node", "by somebody else"])
def test_a_worker_hands_back_what_runs_only_if_its_node_has_asked_it_to_stop(
    host: JobHost, *, asked: bool
):
    started = threading.Event()

    @host.task
    def note() -> None:
        started.set()
        current_job().cancel.wait(GUARD_SECONDS)
        current_job().cancel.raise_if_set()

    job = note.enqueue()
    node = Node(host, stopping_wait_time="0s")
    node.welcome(node.enter())
    assert started.wait(GUARD_SECONDS)
    if asked:
        node.ask_to_stop()
    node.stop()

    assert job.status().state is (State.READY if asked else State.RUNNING)
    assert [attempt.outcome for attempt in job.attempts()] == ["released"] * asked
