"""The exit codes of a supervised worker: what it says by them, and its node reads.

Of an end in order the worker says the code to its node before it ends, in a `Goodbye`: a job may
end the process with any code it likes.
"""

from enum import IntEnum


class WorkerExit(IntEnum):
    """Exit codes with which a supervised worker says why it ended."""

    STOPPED = 0
    """It was asked to stop, and did."""
    AT_ONCE = 70
    """It was asked to stop twice, and not everything was recorded."""
    ORPHANED = 72
    """Its link to the node broke."""
    RETIRED = 75
    """A job could not be stopped; all was recorded."""
    RECYCLED = 76
    """It had run its number of jobs, or reached its limit of memory; all was recorded."""
    FINISHED = 77
    """Nothing was left to do for it: the lane, when no suspect waits; all was recorded."""
    IDLE = 78
    """The same, and it had found no suspect that it knows from the start."""
