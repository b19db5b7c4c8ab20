"""What a node and its workers say to each other, over a socket pair: one JSON message each.

Only the node is in the store's table of nodes by its own doing; it enters its workers, and tells
each its number. A worker answers from a thread of its own, so that an answer shows no more, and no
less, than that its interpreter runs.
"""

import json
import threading
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """A worker's first words, once the user's code is imported. `queues` has their weights; `url`
    is the store's address, with its secrets, which the node has from nobody else."""

    url: str
    tasks: list[str]
    queues: dict[str, int]
    slots: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The worker has taken its first turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pong:
    """The answer to a ping, with the number of jobs in work."""

    running: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The store says that this number has no live lease any more."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """The node has entered the worker, under this number and id. A second one means that the lease
    was lost, and every job with it."""

    number: int
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Are you there?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidings:
    """What the node's heartbeat has heard, as in `store.plans.nodes.News`."""

    lapsed: bool
    due_in_us: int | None
    ready: bool
    blocked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveOut:
    """Tasks not to be claimed, since their jobs have killed workers; it replaces what was said
    before."""

    tasks: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """What this release does not understand: the other end runs another one."""

    name: str


Message = Other | Hello | Ready | Pong | Lost | Welcome | Ping | Tidings | LeaveOut

_KINDS: Final[dict[str, type[Any]]] = {
    kind.__name__: kind for kind in (Hello, Ready, Pong, Lost, Welcome, Ping, Tidings, LeaveOut)
}


class Wire:
    """One end. Sending is safe from any thread, receiving belongs to one.

    Args:
        handle: The file descriptor of a connected socket; the wire owns it from now on.
    """

    def __init__(self, handle: int) -> None:
        self._connection = Connection(handle)
        self._mutex = threading.Lock()

    def fileno(self) -> int:
        """For selectors."""
        return self._connection.fileno()

    def send(self, message: Message) -> bool:
        """Say it. False: nobody is at the other end any more."""
        text = json.dumps([type(message).__name__, asdict(message)])
        try:
            with self._mutex:
                self._connection.send_bytes(text.encode())
        except OSError:
            return False
        return True

    def receive(self) -> Message | None:
        """The next message; waits for it. None: the other end is closed."""
        try:
            name, fields = json.loads(self._connection.recv_bytes())
        except (EOFError, OSError):
            return None
        try:
            message: Message = _KINDS[name](**fields)
        except (KeyError, TypeError):
            return Other(name=str(name))
        return message

    def waits(self) -> bool:
        """Whether `receive` would return at once."""
        try:
            return self._connection.poll()
        except OSError:
            return True

    def close(self) -> None:
        """Close this end. Idempotent."""
        self._connection.close()
