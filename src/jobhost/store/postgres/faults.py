"""PostgreSQL's errors in jobhost's words, each with the next step. Translated here and nowhere
else."""

from typing import Final

import psycopg

from jobhost.errors import (
    SchemaMismatch,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreRefusedData,
    StoreUnavailable,
)

REFUSED_RIGHT: Final = "42501"
READ_ONLY: Final = "25006"

NO_SCHEMA: Final = "JH001"
"""Of an error that a migration raises itself, with the right that is missing."""

_NO_ROLE: Final = "no role"
_NO_TLS: Final = "no TLS"

_POOLER: Final = "is reached through a pooler, it seems: add pooler=transaction to the address"

_Told = tuple[type[StoreError], str]
"""The kind of an error, and what follows the server's name in its message."""

_BY_STATE: Final[dict[str, _Told]] = {
    "0A000": (StoreUnavailable, "has another schema than before, or cannot do this; repeat"),
    READ_ONLY: (
        StoreReadOnly,
        "is read-only: it is a standby, or default_transaction_read_only is on; connect to the "
        "primary, or set that off",
    ),
    "25P02": (
        StoreError,
        "takes nothing more in a transaction of which a statement has failed; roll back first, to "
        "a savepoint if there is one",
    ),
    "25P03": (StoreUnavailable, "ended a transaction that stood still; repeat"),
    "25P04": (StoreUnavailable, "ended a transaction that took too long; repeat later"),
    "26000": (StoreUnavailable, _POOLER),
    "28000": (StoreUnavailable, "refused the login; check user and pg_hba.conf"),
    "28P01": (StoreUnavailable, "refused the password; check the address"),
    _NO_ROLE: (StoreUnavailable, "has no such role; create it, or change the user in the address"),
    _NO_TLS: (
        StoreUnavailable,
        "offers no TLS, and sslmode asks for it; turn it on at the server, or ask for less",
    ),
    NO_SCHEMA: (StoreUnavailable, "lets this login make no schema; have it granted, or made"),
    "3D000": (StoreUnavailable, "does not exist; create the database, or change the address"),
    "3F000": (SchemaMismatch, "has no jobhost schema; run 'jobhost migrate'"),
    "40001": (StoreBusy, "could not order two transactions; repeat"),
    "40P01": (StoreBusy, "broke a deadlock; repeat"),
    REFUSED_RIGHT: (StoreUnavailable, "refused a right; grant it as 'jobhost roles --sql' shows"),
    "42P01": (SchemaMismatch, "lacks a jobhost table; run 'jobhost migrate'"),
    "42P05": (StoreUnavailable, _POOLER),
    "42883": (SchemaMismatch, "lacks a jobhost function; run 'jobhost migrate'"),
    "42703": (SchemaMismatch, "has another jobhost schema; run 'jobhost migrate'"),
    "53100": (StoreFull, "has no disk space left; free some and repeat"),
    "53200": (StoreUnavailable, "is out of memory; repeat later"),
    "53300": (StoreUnavailable, "has no connection left; raise max_connections or use a pooler"),
    "53400": (StoreUnavailable, "reached a configured limit; see its log"),
    "55000": (StoreUnavailable, "does not take this now; see what it says, and repeat later"),
    "55P03": (StoreBusy, "kept a lock longer than the time-out; repeat, or find the holder"),
    "57014": (StoreBusy, "took longer than the time-out of this statement; repeat later"),
    "57P01": (StoreUnavailable, "ended the connection; repeat"),
    "57P02": (StoreUnavailable, "crashed and restarts; repeat"),
    "57P03": (StoreUnavailable, "is starting up, shutting down or in recovery; repeat"),
    "57P04": (StoreUnavailable, "was dropped; create the database, or change the address"),
    "57P05": (StoreUnavailable, "ended an idle connection; repeat"),
    "58P01": (StoreDamaged, "misses a file of its own; see its log before anything else"),
    "72000": (StoreBusy, "took longer than old_snapshot_threshold allows; repeat"),
    "XX001": (StoreDamaged, "found damaged data; see its log before anything else"),
    "XX002": (StoreDamaged, "found a damaged index; see its log, then REINDEX it"),
}

_BY_CLASS: Final[dict[str, _Told]] = {
    "08": (StoreUnavailable, "lost the connection; repeat"),
    "22": (StoreRefusedData, "refused a value"),
    "23": (StoreRefusedData, "refused a value"),
    "40": (StoreBusy, "rolled a transaction back; repeat"),
    "53": (StoreUnavailable, "lacks a resource; see its log"),
    "54": (StoreRefusedData, "refused a value as too large"),
    "57": (StoreUnavailable, "is not available; repeat"),
    "58": (StoreUnavailable, "had a system error; see its log"),
    "XX": (StoreUnavailable, "had an internal error; see its log, and repeat"),
}

_NOTICES: Final[_Told] = (
    StoreFull,
    "has no room left for notices: end the session that has used LISTEN and left a transaction "
    "open, perhaps the oldest in pg_stat_activity, and repeat; SELECT "
    "pg_notification_queue_usage() tells how full the queue is",
)
"""It has the code of a value that is too large, and is nobody's value's fault."""

_STANDBY: Final[_Told] = (StoreReadOnly, "is a standby; connect to the primary")
_PRIMARY: Final[_Told] = (
    StoreReadOnly,
    "is read-only, though no standby: default_transaction_read_only is on; set it off for the "
    "server, the database or the role",
)

_BY_LIBRARYS_WORDS: Final = {
    "no password supplied": "28P01",
    "not support SSL": _NO_TLS,
}
"""What the driver's library says before the server could."""

_BY_WORDS: Final = {
    "unsupported startup parameter": "26000",
    "password authentication failed": "28P01",
    "pg_hba.conf": "28000",
    "is not permitted to log in": "28000",
    "too many clients": "53300",
    "connection slots": "53300",
    "too many connections": "53300",
    "permission denied for database": "42501",
    "starting up": "57P03",
    "shutting down": "57P03",
    "in recovery mode": "57P03",
    "not currently accepting": "55000",
    "not yet accepting": "57P03",
    "not accepting connections": "57P03",
    "role ": _NO_ROLE,
    "database ": "3D000",
}
"""A login that is refused has no code, only words behind FATAL, of which the first found counts. A
server that speaks another language than English is not understood here."""

DRIVER_ERRORS: Final = (psycopg.Error, UnicodeError, OverflowError)
"""What the driver raises: its own errors, and Python's for values that it cannot send."""


def translate(
    error: Exception, where: str, *, connecting: bool = False, standby: bool | None = None
) -> StoreError:
    """The jobhost error for a driver error. The caller raises it `from` that.

    Args:
        error: What the driver raised.
        where: The server and database, without secrets.
        connecting: While a connection was made, and not on one that had been there.
        standby: Whether the server is one; None if that is not known.
    """
    if not isinstance(error, psycopg.Error):
        return StoreRefusedData(f"{where} refused a value: {error}")
    message = str(error).strip().split("\n", 1)[0]
    state = error.sqlstate or _state_of_login(message)
    if state == "54000" and str(error.diag.source_file).endswith("async.c"):
        kind, what = _NOTICES
    elif state == READ_ONLY and standby is not None:
        kind, what = _STANDBY if standby else _PRIMARY
    elif state in _BY_STATE:
        kind, what = _BY_STATE[state]
    elif state[:2] in _BY_CLASS:
        kind, what = _BY_CLASS[state[:2]]
    elif isinstance(error, psycopg.DataError):
        kind, what = StoreRefusedData, "refused a value"
    elif isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        reached = "cannot be reached; check the address, and that it runs"
        kind, what = StoreUnavailable, reached if connecting else _BY_CLASS["08"][1]
    else:
        kind, what = StoreError, "failed"
    return kind(f"{where} {what} ({message})")


def _state_of_login(message: str) -> str:
    _, refusal, refused = message.partition("FATAL:")
    known, said = (_BY_WORDS, refused) if refusal else (_BY_LIBRARYS_WORDS, message)
    return next((state for words, state in known.items() if words in said), "")
