"""What a node and its workers say to each other, over a socket pair: JSON, in the frames of
`framing.py`.

Only the node is in the store's table of nodes by its own doing; it enters its workers, and tells
each its number. A worker answers from a thread of its own, so that an answer shows no more, and no
less, than that its interpreter runs.
"""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from types import UnionType
from typing import Any, Final, get_args, get_origin

from jobhost.worker.framing import Frames, framed


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
    """The worker has taken its first turn, and claims from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pong:
    """The answer to a ping, with the number of jobs in work."""

    running: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the worker has started and ended lately, as JSON of `Rates.tell`."""

    rates: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The store says that this number has no live lease any more."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodbye:
    """A worker's last words: it ends in order, and with this exit code. Who ends without them was
    ended by a job, whatever code that has used."""

    code: int


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
class Stop:
    """The node wants the worker to stop: its SIGTERM follows. One without this word before it is
    somebody else's, perhaps a job's."""


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
"""Of one message, and of what waits to be sent. What claims to be longer comes from nobody who
speaks this language, and who leaves more than that unread hears nothing any more."""

_PIECE_BYTES: Final = 64 * 1024

Message = (
    Other
    | Hello
    | Ready
    | Pong
    | Told
    | Lost
    | Goodbye
    | Welcome
    | Ping
    | Stop
    | Tidings
    | LeaveOut
)

_KINDS: Final[dict[str, type[Any]]] = {
    kind.__name__: kind
    for kind in (Hello, Ready, Pong, Told, Lost, Goodbye, Welcome, Ping, Stop, Tidings, LeaveOut)
}


class Wire:
    """One end. Sending is safe from any thread, listening belongs to one.

    Args:
        handle: The file descriptor of a connected socket; the wire owns it from now on, and no
            process started later inherits it.
        patient: Whether it may wait for the other end: a worker's end does, in `send` and in
            `receive`. A node's never does: the other end may be frozen in the middle of a message,
            or read nothing. What finds no room goes with the next words, or the next look.
    """

    def __init__(self, handle: int, *, patient: bool = True) -> None:
        self._socket = socket.socket(fileno=handle)
        self._socket.set_inheritable(False)
        self._socket.setblocking(patient)
        self._patient = patient
        self._mutex = threading.Lock()
        self._frames = Frames(_BYTES_MAX)
        self._unsent = bytearray()
        self._is_deaf = False

    def fileno(self) -> int:
        """For selectors."""
        return self._socket.fileno()

    def send(self, message: Message) -> bool:
        """Say it. False: nobody is at the other end any more."""
        text = json.dumps([type(message).__name__, asdict(message)]).encode()
        with self._mutex:
            if self._patient:
                return self._send_all(framed(text))
            self._unsent += framed(text)
            return self._send_some()

    def receive(self) -> Message | None:
        """The next message; a patient end waits for it. None: the other end is closed, or says
        what is no message; nothing after that can be read. Raises BlockingIOError at an end that
        is not patient when there is none yet."""
        while not self._is_deaf:
            try:
                if (text := self._frames.take()) is not None:
                    return _read(text)
                piece = self._socket.recv(_PIECE_BYTES)
            except BlockingIOError:
                raise
            except (OSError, ValueError, TypeError, RecursionError):
                self._hang_up()
                break
            if not piece:
                break
            self._frames.add(piece)
        self._is_deaf = True
        return None

    def heard(self) -> Iterator[Message | None]:
        """What has come whole since the last look, of an end that is not patient; a None comes
        last when there will be no more. It sends what found no room before."""
        with self._mutex:
            self._send_some()
        with suppress(BlockingIOError):
            while (message := self.receive()) is not None:
                yield message
            yield None

    def close(self) -> None:
        """Close this end. Idempotent."""
        self._socket.close()

    def _send_all(self, bytes_: bytes) -> bool:
        try:
            self._socket.sendall(bytes_)
        except OSError:
            return False
        return True

    def _send_some(self) -> bool:
        """As much as there is room for now."""
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            if len(self._unsent) > _BYTES_MAX:
                self._hang_up()
                return False
        except OSError:
            self._unsent.clear()
            return False
        return True

    def _hang_up(self) -> None:
        """Tell the other end that nothing it says is heard any more; it ends on that."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


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
