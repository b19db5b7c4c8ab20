"""What happens to a node, as typed events; `jobhost.events` carries them."""

from dataclasses import dataclass

from jobhost.store.plans.nodes import RescueReport


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReady:
    """All workers have begun."""

    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStopping:
    """A signal has asked the node to stop; `at_once` by the second."""

    workers: int
    at_once: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDraining:
    """The node is to end without haste; `why` is for people and stands alone."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeBroken:
    """The node cannot go on, for this error: its workers stop, and then it raises that."""

    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerNotStarted:
    """The system has no room for another process; it is tried again."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerKilled:
    """The node kills a worker; `why` goes on after "it"."""

    pid: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProcessKilled:
    """The node kills a process of one of a worker's jobs; `why` goes on after "it"."""

    pid: int
    worker: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSilent:
    """A worker's interpreter does not answer; where it is shows on standard error."""

    pid: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRefused:
    """A worker does not fit the first one of its node."""

    pid: int
    difference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEnded:
    """A worker's process is gone.

    Args:
        pid, lane: Which one.
        cause: Of a death, going on after "the worker"; None: its end was in order.
        cleared: How many processes of its were killed.
        undead: Pids of those that cannot be killed.
    """

    pid: int
    lane: bool
    cause: str | None
    cleared: int
    undead: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsHandedBack:
    """What a dead worker held is where it belongs."""

    report: RescueReport


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeBeginsAnew:
    """The store took this node for dead: its jobs run elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSetAside:
    """A task kills workers: its jobs run alone."""

    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskBroughtBack:
    """A task has killed no worker for a while: its jobs run with the others again."""

    task: str
