"""Errors of the driver in jobhost's words, each with the next step."""

import psycopg
import pytest
from postgres_server import empty_schema, shared_schema, store_url
from psycopg import errors

from jobhost.clock import SystemClock
from jobhost.errors import (
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreRefusedData,
    StoreUnavailable,
)
from jobhost.store.plan import Plan, Statement
from jobhost.store.postgres.faults import translate
from jobhost.store.postgres.store import PostgresStore
from jobhost.store.postgres.target import read_target

REFUSED = "connection failed: connection to server at “db”, port 5432 failed: FATAL:  "


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ('password authentication failed for user "app"', "refused the password; check"),
        ('role "app" does not exist', "has no such role; create it, or change the user"),
        ("unsupported startup parameter: options", "add pooler=transaction"),
        ('role "app" is not permitted to log in', "check user and pg_hba.conf"),
        ('no pg_hba.conf entry for host "1.2.3.4", user "app"', "check user and pg_hba.conf"),
        ('database "jobs" does not exist', "create the database"),
        ("sorry, too many clients already", "raise max_connections or use a pooler"),
        ("remaining connection slots are reserved for superusers", "raise max_connections"),
        ('too many connections for role "app"', "raise max_connections"),
        ("the database system is starting up", "shutting down or in recovery; repeat"),
        (
            "the database system is shutting down",
            "shutting down or in recovery; repeat",
        ),
        (
            "the database system is in recovery mode",
            "shutting down or in recovery; repeat",
        ),
        ("the database system is not accepting connections", "or in recovery; repeat"),
        ('database "jobs" is not currently accepting connections', "does not take this now"),
        ("something quite new", "check the address, and that it runs"),
    ],
)
def test_a_refused_login_is_told_by_its_words(said: str, step: str) -> None:
    told = translate(psycopg.OperationalError(REFUSED + said), "'jobs' on db", connecting=True)
    assert type(told) is StoreUnavailable
    assert str(told).startswith("'jobs' on db ")
    assert step in str(told)
    assert said in str(told)


def test_a_password_that_is_missing_is_told_before_the_server_could() -> None:
    said = REFUSED.replace("FATAL:  ", "fe_sendauth: no password supplied")
    told = translate(psycopg.OperationalError(said), "'jobs' on db", connecting=True)
    assert "refused the password; check the address" in str(told)


@pytest.mark.parametrize(
    ("error", "kind", "step"),
    [
        (errors.ReadOnlySqlTransaction(), StoreReadOnly, "connect to the primary"),
        (errors.DeadlockDetected(), StoreBusy, "repeat"),
        (errors.LockNotAvailable(), StoreBusy, "repeat, or find the holder"),
        (errors.QueryCanceled(), StoreBusy, "repeat later"),
        (errors.AdminShutdown(), StoreUnavailable, "repeat"),
        (errors.IdleInTransactionSessionTimeout(), StoreUnavailable, "repeat"),
        (errors.InvalidSqlStatementName(), StoreUnavailable, "add pooler=transaction"),
        (errors.DuplicatePreparedStatement(), StoreUnavailable, "add pooler=transaction"),
        (errors.CharacterNotInRepertoire(), StoreRefusedData, "refused a value"),
        (errors.InsufficientPrivilege(), StoreUnavailable, "jobhost roles --sql"),
        (errors.TransactionTimeout(), StoreUnavailable, "took too long; repeat later"),
        (errors.TransactionRollback(), StoreBusy, "rolled a transaction back; repeat"),
        (errors.StatementCompletionUnknown(), StoreBusy, "repeat"),
        (errors.InsufficientResources(), StoreUnavailable, "see its log"),
        (errors.DiskFull(), StoreFull, "free some and repeat"),
        (errors.StatementTooComplex(), StoreRefusedData, "too large"),
        (errors.UntranslatableCharacter(), StoreRefusedData, "refused a value"),
        (psycopg.DataError("text fields cannot have NUL"), StoreRefusedData, "refused a value"),
        (errors.ProtocolViolation(), StoreUnavailable, "lost the connection; repeat"),
        (errors.DatabaseDropped(), StoreUnavailable, "create the database"),
        (errors.IoError(), StoreUnavailable, "see its log"),
        (errors.UndefinedFile(), StoreDamaged, "before anything else"),
        (errors.InternalError_(), StoreUnavailable, "see its log, and repeat"),
        (errors.DataCorrupted(), StoreDamaged, "before anything else"),
        (errors.IndexCorrupted(), StoreDamaged, "REINDEX"),
        (psycopg.OperationalError("server closed"), StoreUnavailable, "lost the connection; rep"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no"), StoreRefusedData, "refused a value"),
    ],
)
def test_an_error_of_a_statement_has_its_kind_and_its_next_step(
    error: Exception, kind: type[StoreError], step: str
) -> None:
    told = translate(error, "'jobs' on db")
    assert type(told) is kind
    assert step in str(told)


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        ("options=-c%20work_mem%3D1MB", {"options": "-c work_mem=1MB"}),
        ("password=a%2Bb%20c", {"password": "a+b c"}),
        ("password=a+b", {"password": "a+b"}),
    ],
)
def test_an_address_is_read_as_libpq_reads_it(options: str, meant: dict[str, str]) -> None:
    target = read_target(f"postgresql://me@db/jobs?{options}&schema=s", SystemClock())
    assert meant.items() <= target.parameters.items()
    again = read_target(target.url, SystemClock())
    assert again.parameters.get("options") == target.parameters.get("options")


def test_a_store_that_has_become_writable_again_is_written_on_a_new_connection() -> None:
    """The old one may lead to a server that is a standby by now."""
    empty_schema()
    store = PostgresStore(store_url(shared_schema()), SystemClock())
    connection = store._ready().connection._connection
    store.write(_look)
    assert connection.raw is not None
    connection.raw.execute("SET default_transaction_read_only = on")
    with pytest.raises(StoreReadOnly):
        store.write(_look)
    store.write(_look)
    store.close()


def test_who_was_in_a_hurry_leaves_the_shared_connection_as_patient_as_it_was() -> None:
    empty_schema()
    store = PostgresStore(store_url(shared_schema()), SystemClock())
    wait = store._ready().connection._connection._wait
    usual, session = wait.seconds, store.session(apart=False)
    session.hurry(1.0)
    assert wait.seconds == 1.0
    session.close()
    assert wait.seconds == usual
    store.close()


def _look() -> Plan[None]:
    yield Statement("hold_lease", {"node": 1})
