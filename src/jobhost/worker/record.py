"""What is written down of an attempt that has ended, and who hears when it has not ended well."""

import random
from typing import Any
from uuid import UUID

from jobhost.errors import LeaseLost
from jobhost.events import AttemptFailed, Events, FailedLate
from jobhost.jobs.outcomes import (
    COMPLETED,
    BeyondMe,
    Crashed,
    Failed,
    Outcome,
    Settlement,
    Succeeded,
    decide,
)
from jobhost.jobs.records import Ended
from jobhost.jobs.states import State
from jobhost.worker.execution import Execution
from jobhost.worker.returned import outcome_of_value, require_run
from jobhost.worker.verdict import Stop, describe, outcome_of


class Recording:
    """Makes the record of an attempt of what has come of it. From any thread.

    Args:
        events: Who hears of failures.
        bytes_max: Limit of a result.
    """

    def __init__(self, events: Events, *, bytes_max: int) -> None:
        self._events = events
        self._bytes_max = bytes_max

    def returned(self, execution: Execution, value: Any) -> Ended:
        """Of one that returned. Raises what is wrong with the value, to be recorded as if the task
        had raised it."""
        require_run(value)
        if execution.completed:
            if value is not None and value != execution.result:
                raise TypeError("the task returned another value than its transaction's result")
            return execution.ended(COMPLETED)
        return self.settled(
            execution, outcome_of_value(value, execution.task.signature, self._bytes_max)
        )

    def raised(self, execution: Execution, error: BaseException) -> Ended:
        """Of one that raised."""
        if execution.completed:
            self._report_late(execution, error)
            return execution.ended(COMPLETED)
        stop, reason, began = execution.stop, execution.stop_reason, execution.started > 0
        outcome = outcome_of(error, stop, reason, began=began)
        # The store has refused its completion: the recorder hears the same, and tells the loss.
        return self.settled(execution, outcome, quiet=isinstance(error, LeaseLost))

    def settled(self, execution: Execution, outcome: Outcome, *, quiet: bool = False) -> Ended:
        """Of one with this outcome; `quiet` keeps a failure to itself."""
        if isinstance(outcome, Succeeded):
            return execution.ended(COMPLETED, outcome.result)
        chance = random.random()
        settlement = decide(outcome, execution.counts, execution.retry, chance)
        failed = isinstance(outcome, Failed | Crashed | BeyondMe)
        if not quiet and (failed or settlement.target is State.DEAD):
            self._report(execution, settlement)
        return execution.ended(settlement)

    def _report_late(self, execution: Execution, error: BaseException) -> None:
        if execution.stop is None:
            said = describe(error)
            self._events.emit(
                FailedLate(
                    job=UUID(bytes=execution.delivery.id),
                    task=execution.delivery.task,
                    error=f"{said.type}: {said.message}",
                    traceback=said.traceback,
                )
            )

    def _report(self, execution: Execution, settlement: Settlement) -> None:
        if execution.stop is not Stop.LOST and self._events.wants(AttemptFailed):
            error = settlement.error
            again = settlement.target is not State.DEAD
            self._events.emit(
                AttemptFailed(
                    job=UUID(bytes=execution.delivery.id),
                    task=execution.delivery.task,
                    outcome=settlement.label,
                    error=f"{error.type}: {error.message}" if error else settlement.reason or "",
                    retry_seconds=settlement.delay_us / 1_000_000 if again else None,
                    traceback=error.traceback if error else "",
                )
            )
