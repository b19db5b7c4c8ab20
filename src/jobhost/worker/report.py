"""What a worker tells of its run when it has ended."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """How a worker's run went.

    Args:
        ended: Attempts that ended, however.
        released: Jobs handed back since they had not ended in time.
        retired: A job did not obey its time limit; only the end of this process stops it.
        stopped: Somebody asked the worker to stop.
        recycled: It made room for a fresh process.
        finished: As a lane it found no suspect any more.
    """

    ended: int
    released: int
    retired: bool
    stopped: bool = False
    recycled: bool = False
    finished: bool = False
