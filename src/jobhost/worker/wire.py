"""What a node and its workers say to each other, over a socket pair: one JSON message each.

Only the node is in the store's table of nodes by its own doing; it enters its workers, and tells
each its number. A worker answers from a thread of its own, so that an answer shows no more, and no
less, than that its interpreter runs.
"""

import json
import os
import socket
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from multiprocessing.connection import Connection
from types import UnionType
from typing import Any, Final, get_args, get_origin


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


_BYTES_MAX: Final = 1024 * 1024
"""Of one message. What claims to be longer comes from nobody who speaks this language."""

Message = Other | Hello | Ready | Pong | Lost | Welcome | Ping | Tidings | LeaveOut

_KINDS: Final[dict[str, type[Any]]] = {
    kind.__name__: kind for kind in (Hello, Ready, Pong, Lost, Welcome, Ping, Tidings, LeaveOut)
}


class Wire:
    """One end. Sending is safe from any thread, receiving belongs to one.

    Args:
        handle: The file descriptor of a connected socket; the wire owns it from now on, and no
            process started later inherits it.
    """

    def __init__(self, handle: int) -> None:
        os.set_inheritable(handle, False)  # noqa: FBT003 - it takes no name
        self._connection = Connection(handle)
        self._mutex = threading.Lock()
        self._is_deaf = False

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
        """The next message; waits for it. None: the other end is closed, or says what is
        no message; nothing after that can be read."""
        if self._is_deaf:
            return None
        try:
            return _read(self._connection.recv_bytes(_BYTES_MAX))
        except EOFError:
            pass
        except (OSError, ValueError, TypeError, RecursionError):
            self._hang_up()
        self._is_deaf = True
        return None

    def waits(self) -> bool:
        """Whether `receive` would return at once."""
        if self._is_deaf:
            return True
        try:
            return self._connection.poll()
        except OSError:
            return True

    def close(self) -> None:
        """Close this end. Idempotent."""
        self._connection.close()

    def _hang_up(self) -> None:
        """Tell the other end that nothing it says is heard any more; it ends on that."""
        with suppress(OSError), socket.socket(fileno=os.dup(self.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)


def _read(text: bytes) -> Message:
    """A message from its JSON; `Other` if this release does not know the like. Raises ValueError,
    TypeError or RecursionError for what is no message at all."""
    name, given = json.loads(text)
    if not isinstance(name, str) or not isinstance(given, dict):
        raise ValueError("a message is a name and its fields")
    kind = _KINDS.get(name)
    if kind is None:
        return Other(name=name)
    shapes = {field.name: field.type for field in fields(kind)}
    if given.keys() != shapes.keys():
        return Other(name=name)
    if not all(_fits(given[field], shape) for field, shape in shapes.items()):
        raise ValueError(f"{name} with a field of another type")
    message: Message = kind(**given)
    return message


def _fits(value: object, shape: object) -> bool:
    """Whether a value from JSON is of the type of a field."""
    if isinstance(shape, UnionType):
        return any(_fits(value, one) for one in get_args(shape))
    if get_origin(shape) is list:
        (of,) = get_args(shape)
        return isinstance(value, list) and all(_fits(one, of) for one in value)
    if get_origin(shape) is dict:
        _, of = get_args(shape)
        return isinstance(value, dict) and all(_fits(one, of) for one in value.values())
    return type(value) is shape
