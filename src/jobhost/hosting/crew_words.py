"""The words between a node and its crew: what happened, and what is to be done about it.

`crew.py` makes commands of events; `node.py` makes events of what it sees, and does the commands.
"""

from dataclasses import KW_ONLY, dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Begin:
    """The node is there: the first worker may start."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The process in this slot has imported the user's code."""

    slot: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The process in this slot has begun to work."""

    slot: int


@dataclass(frozen=True, slots=True)
class Silent:
    """The process in this slot has not answered for so long."""

    slot: int
    seconds: float


@dataclass(frozen=True, slots=True)
class HoldsUp:
    """The process in this slot was stopped by a signal or a debugger so long ago, in the middle of
    what every writer of the store has to wait for."""

    slot: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Ended:
    """The process in this slot is gone, and what it left is cleared away.

    Args:
        slot: Which one.
        was_ready: It had said that it is ready, be it heard before or only now.
        in_order: Its end was one in order.
        exit_code: Its exit code; the negative number of the signal that killed it.
        chance: A random number from 0 up to 1, drawn by the caller.
    """

    slot: int
    _: KW_ONLY
    was_ready: bool
    in_order: bool
    exit_code: int
    chance: float


@dataclass(frozen=True, slots=True)
class SuspectsSeen:
    """The store has suspects that this node may run."""


@dataclass(frozen=True, slots=True)
class Drain:
    """The node is to end, without haste: somebody drains it, its terminal has closed, or it cannot
    go on. It is no stop, and another one means nothing new."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody asked the node to stop; the second time means at once."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed; due when the crew says so, harmless at any time."""


Event: TypeAlias = (
    Begin | Hello | Ready | Silent | HoldsUp | Ended | SuspectsSeen | Drain | Stop | Tick
)


@dataclass(frozen=True, slots=True)
class Start:
    """Start a process for this slot."""

    slot: int
    lane: bool


@dataclass(frozen=True, slots=True)
class Terminate:
    """Ask the process in this slot to stop: SIGTERM."""

    slot: int


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL the process in this slot. `why` is for people: "it had not answered for 60s"."""

    slot: int
    why: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Nobody is left: end the node with this exit code. The last command of all."""

    code: int


Command: TypeAlias = Start | Terminate | Kill | Finish
