"""The words between a node and its registrar: whom to enter, and what came of it."""

from dataclasses import dataclass
from typing import TypeAlias

from jobhost.store.plans.nodes import Kind, Pulse, RescueReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Crewmate:
    """A worker to enter.

    Args:
        ticket: The node's own number for the process; never used twice.
        kind: WORKER or LANE.
        pid, slots: What others may know.
    """

    ticket: int
    kind: Kind
    pid: int
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What the node serves, as its workers say: names of queues and tasks."""

    queues: tuple[str, ...]
    tasks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entered:
    """A worker has a number, and the right to claim."""

    ticket: int
    number: int
    id: str


@dataclass(frozen=True, slots=True)
class HandedBack:
    """What a dead worker held is where it belongs."""

    ticket: int
    report: RescueReport


@dataclass(frozen=True, slots=True)
class SetAside:
    """So many more waiting jobs go through the lane from now on: 0 or more."""

    jobs: int


@dataclass(frozen=True, slots=True)
class Renewed:
    """The leases of the whole node are renewed."""

    pulse: Pulse


@dataclass(frozen=True, slots=True)
class LeasesLost:
    """The node had lost its lease, and entered anew; each worker is about to get a new number."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """The store did not take an order; it is repeated after so many seconds."""

    error: str
    retry_seconds: float


@dataclass(frozen=True, slots=True)
class Works:
    """The store takes orders again."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The registrar cannot go on: its store is gone or is not as it should be."""

    error: BaseException


Fact: TypeAlias = Entered | HandedBack | SetAside | Renewed | LeasesLost | Trouble | Works | Broken
