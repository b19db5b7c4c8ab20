"""Keeps ended attempts until the store has them: records, repeats, and reads back.

What ended stays pending until a cycle that carried it was answered. After an error the
outcome of that cycle is unknown; the store is then asked what it holds in the node's name,
before anything is repeated. How much one cycle carries `portion.py` knows.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import replace

from jobhost.errors import StoreError, StoreRefusedData
from jobhost.events import Events, JobsLost
from jobhost.jobs.outcomes import (
    COMPLETED,
    Counts,
    ErrorInfo,
    Released,
    Settlement,
    Unstorable,
    decide,
)
from jobhost.jobs.records import Ended
from jobhost.jobs.retries import Retry
from jobhost.jobs.states import Move
from jobhost.store.plans.cycle import CycleReport, Wanted, read_back
from jobhost.store.seam import Session
from jobhost.worker.portion import Portion, weight

Key = tuple[int, int]
"""Job and epoch."""


class Recorder:
    """What has ended and is not recorded yet.

    Args:
        session: The store thread's connection.
        events: Who hears of jobs that were lost.

    `pending` is what the store has still to be told of, in order. Of the last cycle `sent` is what
    it carried of that, and `asked` how many jobs it asked for. `releasing` is set once the worker
    hands back its jobs because it was asked to stop.
    """

    def __init__(self, session: Session, events: Events) -> None:
        self._session = session
        self._events = events
        self.pending: list[Ended] = []
        self.doubtful = False
        self.releasing = False
        self.sent: Sequence[Ended] = ()
        self.asked = 0
        self._portion = Portion()

    def cycle(self, wanted: Wanted) -> CycleReport:
        """Record what is pending and claim what is wanted, in one transaction; of either as much
        as one cycle should carry, so that some may be left for the next.

        Raises StoreError; what was pending is kept, and `doubtful` until `read_back`.
        """
        pending = self.pending = _once_each(self.pending)
        sent = self.sent = self._portion.of(pending)
        left = len(pending) - len(sent)
        asked = self.asked = self._portion.slots(wanted.slots, left=left)
        if asked != wanted.slots:
            wanted = replace(wanted, slots=asked)
        began = time.monotonic()
        try:
            report = self._write_or_part(sent, wanted)
        except StoreError:
            self.doubtful = True
            self._portion.failed(ended=len(sent), slots=asked)
            raise
        took = time.monotonic() - began
        self._portion.answered(took, report.claimed, ended=len(sent), slots=asked)
        self.pending = pending[len(sent) :]
        self._note_lost(report)
        return report

    def put_short_first(self) -> None:
        """Order what is pending by its length, for a worker that may not come to the end of it."""
        self.pending = sorted(_once_each(self.pending), key=weight)

    def keep_released(self) -> None:
        """What would be handed back stays in this worker's name in the store, for its node to take
        over; it is pending no more."""
        self.pending = [end for end in self.pending if end.settlement.move is not Move.RELEASE]

    def read_back(self, node: int, running: Collection[Key], unsent: Collection[Key]) -> set[Key]:
        """Compare what the store holds in this node's name with what is known here.

        What the store holds and nobody here knows is released; what it does not hold any
        more is not repeated.

        Args:
            node: The node's number.
            running: The jobs in work here.
            unsent: Those that have ended and are still in the outbox.

        Returns those of `running` that the store no longer holds here.
        """
        held = self._session.read(lambda: read_back(node))
        known = {*running, *unsent, *((end.job, end.epoch) for end in self.pending)}
        self.pending = [end for end in self.pending if (end.job, end.epoch) in held]
        for key in sorted(held.keys() - known):  # older jobs first, as they had been
            settlement = decide(Released(), held[key], Retry(), chance=0.0)
            self.pending.append(Ended(*key, duration_us=-1, settlement=settlement))
        self.doubtful = False
        return set(running) - held.keys()

    def _write_or_part(self, ended: Sequence[Ended], wanted: Wanted) -> CycleReport:
        try:
            return self._write(ended, wanted)
        except StoreRefusedData:
            if not ended:
                raise
            self._write_apart(ended, replace(wanted, queues=(), slots=0))
            return self._write((), wanted)

    def _write_apart(self, ended: Sequence[Ended], nothing: Wanted) -> None:
        """The store refused a value of this batch: halve it until the offender stands alone,
        and record that one without its value."""
        if len(ended) == 1:
            self._note_lost(self._write([_without_values(ended[0])], nothing))
            return
        middle = len(ended) // 2
        for half in (ended[:middle], ended[middle:]):
            try:
                self._note_lost(self._write(half, nothing))
            except StoreRefusedData:
                self._write_apart(half, nothing)

    def _write(self, ended: Sequence[Ended], wanted: Wanted) -> CycleReport:
        return self._session.write(lambda: self._session.hot.cycle(ended, wanted))

    def _note_lost(self, report: CycleReport) -> None:
        if report.lost:
            reason = "they had been handed to another worker or ended"
            self._events.emit(JobsLost(jobs=len(report.lost), reason=reason))


def _once_each(ended: Sequence[Ended]) -> list[Ended]:
    """The first end of each attempt: two in one batch would let a job leave for two places."""
    first: dict[Key, Ended] = {}
    for end in ended:
        first.setdefault((end.job, end.epoch), end)
    return list(first.values())


def _without_values(ended: Ended) -> Ended:
    """The same end without the text that the store refused: a success stays one, and a failure
    keeps its move."""
    refused = ErrorInfo(type="ResultUnstorable", message="the store refused the result")
    if ended.settlement is COMPLETED:
        settlement = decide(Unstorable(error=refused), Counts(), Retry(), chance=0.0)
        return ended._replace(settlement=settlement, result=None)
    return ended._replace(settlement=_plain_words(ended.settlement))


def _plain_words(settlement: Settlement) -> Settlement:
    refused = ErrorInfo(type="ErrorUnstorable", message="the store refused the error's text")
    reason = None if settlement.reason is None else f"{settlement.label}: text refused"
    return replace(settlement, error=refused, reason=reason)
