"""How much the next cycle records and claims: as much as the store takes in good time.

Results are bounded by their bytes, which are known. What a claim brings is known only afterwards,
so it is judged by what came last. To add up the payloads within the claim would cost a look at each
job more, an eighth of the server's work for small ones, and lock jobs that are then left standing,
which others pass over. Either is halved after a cycle that failed or was slow, down to one job, and
doubled after each that was quick: whatever made it fail is not repeated unchanged for ever.
"""

from collections.abc import Sequence
from typing import Final

from jobhost.jobs.payload import PAYLOAD_BYTES_MAX
from jobhost.jobs.records import Delivery, Ended
from jobhost.store.plans.portions import BATCH_BYTES_MAX, BATCH_MAX, byte_length

QUICK_SECONDS: Final = 2.0
SLOW_SECONDS: Final = 5.0
"""A cycle below the first may carry twice as much, one above the second should have carried half:
far from the limit of a statement, which is 15 s on PostgreSQL, and from the length of a lease."""

_ROW_BYTES: Final = 64
"""What an ended attempt takes beside its texts."""

_CHARACTER_BYTES: Final = 4
"""At the most, in UTF-8."""


class Portion:
    """Of one worker; for its store thread only."""

    def __init__(self) -> None:
        self._ended_max = BATCH_MAX
        self._slots_max = BATCH_MAX
        self._payload_bytes = float(PAYLOAD_BYTES_MAX)

    def of(self, pending: Sequence[Ended]) -> Sequence[Ended]:
        """The first of them, as many as one cycle carries: at least one if there is one."""
        if len(pending) <= self._ended_max and _are_short(pending):
            return pending
        size = 0
        for count, ended in enumerate(pending):
            size += weight(ended)
            if count and (size > BATCH_BYTES_MAX or count >= self._ended_max):
                return pending[:count]
        return pending

    def slots(self, free: int, *, left: int) -> int:
        """How many jobs to ask for.

        Args:
            free: Slots that nothing runs in.
            left: Ends that the cycle does not carry: each keeps its slot until it is recorded, or
                what waits to be recorded would grow without end.
        """
        fitting = max(1, int(BATCH_BYTES_MAX / self._payload_bytes))
        return max(0, min(free - left, self._slots_max, fitting))

    def failed(self, *, ended: int, slots: int) -> None:
        """A cycle that carried so many ends, and asked for so many jobs, came to nothing."""
        self._ended_max = _halved(self._ended_max, ended)
        self._slots_max = _halved(self._slots_max, slots)

    def answered(
        self, seconds: float, claimed: Sequence[Delivery], *, ended: int, slots: int
    ) -> None:
        """A cycle that carried so many ends, and asked for so many jobs, has been answered."""
        if seconds > SLOW_SECONDS:
            self.failed(ended=ended, slots=slots)
        elif seconds <= QUICK_SECONDS:
            self._ended_max = min(BATCH_MAX, self._ended_max * 2)
            self._slots_max = min(BATCH_MAX, self._slots_max * 2)
        if claimed:
            mean = _payload_bytes(claimed) / len(claimed)
            self._payload_bytes = max(1.0, mean, self._payload_bytes / 2)


def weight(ended: Ended) -> int:
    """Bytes that it takes to record this, about."""
    size = _ROW_BYTES
    if ended.result is not None:
        size += byte_length(ended.result)
    if (error := ended.settlement.error) is not None:
        size += len(error.message) + len(error.traceback)
    return size


def _are_short(pending: Sequence[Ended]) -> bool:
    """Whether a quick look tells that they fit into a cycle together, as nearly always."""
    results = [ended.result for ended in pending]
    if None in results:
        return False
    characters = sum([len(result) for result in results if result])
    return characters * _CHARACTER_BYTES + len(pending) * _ROW_BYTES <= BATCH_BYTES_MAX


def _payload_bytes(claimed: Sequence[Delivery]) -> int:
    """What their payloads and envelopes take; exact where it matters, for long ones."""
    characters = sum([len(job.payload) + len(job.envelope or "") for job in claimed])
    if characters * _CHARACTER_BYTES * BATCH_MAX <= BATCH_BYTES_MAX * len(claimed):
        return characters
    return sum([byte_length(job.payload) + byte_length(job.envelope or "") for job in claimed])


def _halved(most: int, used: int) -> int:
    """Half of what was used; what was not used was not too much."""
    return max(1, min(most, used) // 2) if used else most
