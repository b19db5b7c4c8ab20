"""Which errors of a store pass by themselves, such as those of a server that starts again."""

from typing import Final

from jobhost.errors import StoreBusy, StoreError, StoreGone, StoreUnavailable

_STATES: Final = frozenset(
    {
        "25P03",  # a transaction that stood still was ended
        "25P04",  # a transaction that took too long was ended
        "40001",  # two transactions could not be ordered
        "40P01",  # a deadlock was broken
        "53200",  # the server is out of memory
        "53300",  # it has no connection left
        "57P01",  # it ended the connection
        "57P02",  # it crashed and restarts
        "57P03",  # it is starting up, shutting down or in recovery
        "57P05",  # it ended an idle connection
    }
)
_CLASSES: Final = ("08",)
"""The connection was lost, or never came about."""

_REFUSED: Final = "FATAL:"
_PASSING_WORDS: Final = (
    "starting up",
    "shutting down",
    "in recovery mode",
    "not yet accepting",
    "not accepting connections",
    "too many clients",
    "connection slots",
    "too many connections",
    "terminating connection",
    "ending connection",
)
"""A login that is refused has no code, only words; those of the refusals that pass."""

_LASTING_WORDS: Final = ("no password supplied", "not support SSL", "certificate")
"""What the driver's library says, before the server could, of what somebody has to mend. All else
that it says is of a server that is not reached."""


def passes(error: StoreError) -> bool:
    """Whether the same call may well succeed in some seconds, without anybody's doing: the server
    is away, starts or stops, is full for the moment, or has cut the connection.

    Never for a file: whoever waited for its lock has waited already, and its other errors stay.
    """
    if not isinstance(error, (StoreUnavailable, StoreBusy)):
        return False
    state = getattr(error.__cause__, "sqlstate", "")
    if state is not None:
        return state in _STATES or state.startswith(_CLASSES)
    words = str(error.__cause__)
    if _REFUSED in words:
        return any(passing in words for passing in _PASSING_WORDS)
    return not any(lasting in words for lasting in _LASTING_WORDS)


def leaves_doubt(error: StoreError) -> bool:
    """Whether a transaction that ended in this error may have been committed after all: its answer
    was lost. Never after a refusal, such as that of a login."""
    if not isinstance(error, StoreUnavailable) or isinstance(error, StoreGone):
        return False
    written = getattr(error.__cause__, "sqlite_errorname", "")
    return passes(error) or written.startswith("SQLITE_IOERR")
