"""What the node tells its workers about the store: news, and tasks that only the lane runs."""

from collections.abc import Iterable
from typing import Final, Protocol

from jobhost.events import Events
from jobhost.hosting.facts import Entered
from jobhost.hosting.node_events import TaskBroughtBack, TaskSetAside
from jobhost.hosting.poison import Poison
from jobhost.hosting.process import WorkerProcess
from jobhost.store.plans.nodes import News
from jobhost.worker.wire import LeaveOut, Tidings, Welcome

_DEAF_SECONDS: Final = 5.0
"""Who has not answered for so long is told no news: it reads nothing, and what is sent to it
would fill the wire until the node had to wait. It hears the next ones."""


class Aside(Protocol):
    """Moves waiting jobs in the store; answers later, as a fact."""

    def set_aside(self, tasks: tuple[str, ...]) -> None:
        """Waiting jobs of these tasks go through the lane."""
        ...

    def bring_back(self, task: str) -> None:
        """Those that wait only because of their task become ready again."""
        ...


class Bulletin:
    """Keeps workers from claiming what kills them.

    `note` takes proofs; `post` acts on them, and must be called now and then.

    Args:
        events: Who hears of tasks that are set aside and brought back.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._poison = Poison()
        self._left_out: frozenset[str] = frozenset()
        self._asked = False

    def note(self, tasks: Iterable[str], now: float) -> None:
        """Jobs of these tasks are proven to have killed their workers."""
        for task in tasks:
            self._poison.note(task, now)

    def moved(self) -> None:
        """The store has answered to `set_aside`."""
        self._asked = False

    def post(
        self,
        processes: Iterable[WorkerProcess],
        store: Aside,
        now: float,
        *,
        start_seconds: float = 0.0,
    ) -> None:
        """Tasks whose jobs kill workers again and again are claimed by the lane alone.

        Args:
            processes: Whom to tell; others are told as newcomers.
            store: Where their waiting jobs are.
            now: In monotonic seconds.
            start_seconds: How long a process takes until it is ready.
        """
        aside = self._poison.aside(now, start_seconds)
        if aside != self._left_out:
            self._change(aside, processes, store)
        if aside and not self._asked:
            self._asked = True
            store.set_aside(tuple(sorted(aside)))

    def welcome(self, entered: Entered, processes: Iterable[WorkerProcess]) -> None:
        """The store knows one of these now: it hears its number, after what it must not claim."""
        for process in processes:
            if process.ticket == entered.ticket:
                process.number = entered.number
                self.tell_newcomer(process)
                process.wire.send(Welcome(number=entered.number, id=entered.id))

    def tell_newcomer(self, process: WorkerProcess) -> None:
        """What a worker must know before it claims."""
        if self._left_out and not process.lane:
            process.wire.send(LeaveOut(tasks=sorted(self._left_out)))

    def _change(
        self, aside: frozenset[str], processes: Iterable[WorkerProcess], store: Aside
    ) -> None:
        before, self._left_out = self._left_out, aside
        for task in sorted(aside - before):
            self._events.emit(TaskSetAside(task=task))
        for task in sorted(before - aside):
            self._events.emit(TaskBroughtBack(task=task))
            store.bring_back(task)
        for process in processes:
            if process.number is not None and not process.lane:
                process.wire.send(LeaveOut(tasks=sorted(aside)))


def spread(news: News, processes: Iterable[WorkerProcess], now: float) -> None:
    """What one heartbeat has heard concerns all workers that the store knows. Others do not read
    yet, however long the user's code takes to import, and have no use for it."""
    for process in processes:
        if process.number is not None and process.silent_for(now) < _DEAF_SECONDS:
            process.wire.send(Tidings(**news._asdict()))


LANE_REST_SECONDS: Final = (10.0, 300.0)
"""First and longest rest of a lane that had nothing to do."""


class LaneRest:
    """Keeps heartbeats that tell of suspects from starting a lane that can run none of them.

    The suspects may be in another node's hands by now.
    """

    def __init__(self) -> None:
        self._until = 0.0
        self._rest = 0.0

    def ended(self, now: float, *, idle: bool) -> None:
        """The lane has found no more suspects; `idle`: it had not found one before, either."""
        first, longest = LANE_REST_SECONDS
        self._rest = min(max(first, 2 * self._rest), longest) if idle else 0.0
        self._until = now + self._rest

    def over(self, now: float) -> bool:
        """Whether it is worth another look."""
        return now >= self._until
