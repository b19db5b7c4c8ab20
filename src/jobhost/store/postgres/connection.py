"""One connection to the server: transactions, statements by name, and a new start when it broke."""

import os
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8BinaryDumper

from jobhost.errors import StoreError, StoreUnavailable
from jobhost.store.plan import Reply, Row, Statement
from jobhost.store.postgres import arrays
from jobhost.store.postgres.catalogue import Sql, statements
from jobhost.store.postgres.dialling import Dialling
from jobhost.store.postgres.faults import DRIVER_ERRORS, translate
from jobhost.store.postgres.prepared import Prepared
from jobhost.store.postgres.target import SETTINGS, Target
from jobhost.store.postgres.watchdog import Wait, watch

_WAIT_SECONDS: Final = 20.0
"""Longest wait for an answer: the server's own time-outs come first, if it still works."""

_SLOW: Final = {"tally": 300}
"""Seconds for statements that may take longer than others: a person waits for them, and nobody
else."""

_MIGRATION_SECONDS: Final = 600

_ISOLATION: Final = "read committed"
"""Said in each transaction behind a pooler, where it cannot be said while connecting."""

_STUCK: Final = ("0A000", "25006", "26000", "42P05")
"""Codes of errors that are the connection's own."""


class PostgresConnection:
    """A connection in the hands of one thread at a time; opened by its first use.

    After an error that broke it the next transaction opens another: nothing survives of it
    but what `on_open` sets up.

    Args:
        target: Where and how.
        on_open: Called with each new connection of the driver.
    """

    def __init__(
        self, target: Target, on_open: Callable[["psycopg.Connection[Row]"], None] | None = None
    ) -> None:
        self._target = target
        self._on_open = on_open
        self._pid = os.getpid()
        self._raw: psycopg.Connection[Row] | None = None
        self._prepared: Prepared | None = None
        self._held: list[psycopg.Connection[Row]] = []
        weakref.finalize(self, _let_go, self._held, self._pid).atexit = False
        self._in_transaction = False
        self._wait = Wait(_WAIT_SECONDS)
        self._dialling = Dialling(partial(_connect, target), self._wait)
        weakref.finalize(self, _give_up, self._dialling, self._pid).atexit = False
        self._statements = statements(target.schema, server_time=target.clock is None)

    def begin(self) -> None:
        """Prepare for a transaction; it is opened by its first statement, unless that commits by
        itself."""
        self._refuse_other_process()
        self._in_transaction = False
        self._opened()

    def execute(self, statement: Statement) -> Reply:
        """Execute one statement. Raises StoreError."""
        found = self._statements[statement.name]
        params = statement.params
        if found.wants_now and self._target.clock is not None:
            params = {**params, "now": self._target.clock.now()}
        try:
            if not self._in_transaction and (self._target.pooled or not statement.alone):
                self._open_transaction(statement.name)
            return self._run(found, params, _SLOW.get(statement.name, 0))
        except DRIVER_ERRORS as error:
            raise self._told(error) from error

    def commit(self) -> None:
        """Make it durable."""
        if self._in_transaction:
            self._plain("COMMIT")
            self._in_transaction = False

    def rollback(self) -> None:
        """Undo whatever is open; let go of a connection that broke. Never raises."""
        self._in_transaction = False
        raw = self._raw
        if raw is None:
            return
        with suppress(psycopg.Error):
            if not raw.closed and raw.info.transaction_status is not TransactionStatus.IDLE:
                raw.execute("ROLLBACK")
        if raw.closed or raw.broken or raw.info.transaction_status is not TransactionStatus.IDLE:
            self.drop()

    def script(self, text: str) -> None:
        """Execute the statements of a migration inside the open transaction."""
        self._plain(text, _MIGRATION_SECONDS)

    def begin_migration(self) -> None:
        """Open the transaction of a migration: one at a time, patient with itself, and impatient
        with the locks that it needs, since whoever waits behind it waits as well."""
        self.begin()
        self._plain(f"BEGIN; SET LOCAL transaction_isolation = '{_ISOLATION}'")
        self._in_transaction = True
        self._plain(f"SET LOCAL statement_timeout = '{_MIGRATION_SECONDS}s'")
        self._plain("SET LOCAL lock_timeout = '1min'")
        key = sql.Literal(f"jobhost migrate {self._target.schema}").as_string()
        self._plain(f"SELECT pg_advisory_xact_lock(hashtextextended({key}, 0))")

    def reading(self) -> "Look":
        """This connection for a plan that only reads, of one statement."""
        return Look(self)

    @property
    def raw(self) -> "psycopg.Connection[Row] | None":
        """The driver's connection, if one is open."""
        return self._raw

    @property
    def target(self) -> Target:
        """Where it leads."""
        return self._target

    def hurry(self, seconds: float) -> None:
        """No wait for the server is longer than this from now on; it ends in StoreBusy, or in
        StoreUnavailable if the server does not even take a cancel."""
        self._wait.shorten(seconds)

    def relax(self) -> None:
        """Waits are as long as usual again."""
        self._wait.relax()

    def close(self) -> None:
        """Close it. Idempotent; the next transaction opens another."""
        if self._pid == os.getpid():
            self._dialling.give_up()
            self.drop()

    def drop(self) -> None:
        """Let go of the driver's connection."""
        raw, self._raw, self._prepared = self._raw, None, None
        self._held.clear()
        if raw is not None:
            with suppress(psycopg.Error):
                raw.close()

    def _opened(self) -> Prepared:
        if self._prepared is not None and not self._prepared.raw.closed:
            return self._prepared
        try:
            self._raw = self._dialling.connection()
            self._held[:] = [self._raw]
            self._prepared = Prepared(self._raw, lasting=not self._target.pooled)
            watch(self._wait)
            self._set_up(self._prepared)
            if self._on_open is not None:
                self._on_open(self._raw)
        except DRIVER_ERRORS as error:
            standby = None if self._raw is None else _is_standby(self._raw)
            self.drop()
            place = self._target.place
            raise translate(error, place, connecting=True, standby=standby) from error
        return self._prepared

    def _set_up(self, prepared: Prepared) -> None:
        """Set what cannot be asked for while connecting."""
        if self._target.pooled or not _times_transactions(prepared.raw):
            return
        self._wait.begin(prepared.raw)
        try:
            prepared.command("SET transaction_timeout = 0")
        finally:
            self._wait.end()

    def _open_transaction(self, name: str) -> None:
        settings = {}
        if self._target.pooled:
            settings = {"transaction_isolation": _ISOLATION, **SETTINGS}
            if _times_transactions(self._opened().raw):
                settings["transaction_timeout"] = "0"
        if name in _SLOW:
            settings["statement_timeout"] = f"{_SLOW[name]}s"
        local = [f"SET LOCAL {key} = '{value}'" for key, value in settings.items()]
        text = "; ".join(["BEGIN", *local])
        try:
            self._plain(text)
        except StoreUnavailable:  # idle for long, and cut off by somebody on the way
            self.drop()
            self._plain(text)
        self._in_transaction = True

    def _run(self, sql: Sql, params: Mapping[str, Any], at_least: float) -> Reply:
        prepared = self._opened()
        self._wait.begin(prepared.raw, at_least)
        try:
            return prepared.run(sql, params)
        finally:
            self._wait.end()

    def _plain(self, text: str, at_least: float = 0.0) -> None:
        try:
            prepared = self._opened()
            self._wait.begin(prepared.raw, at_least)
            prepared.command(text)
        except DRIVER_ERRORS as error:
            raise self._told(error) from error
        finally:
            self._wait.end()

    def _told(self, error: Exception) -> StoreError:
        """The error in jobhost's words. A connection that would fail in the same way for ever is
        left: to a server that has become a standby, or with statements prepared for another
        schema, or on another server behind a pooler."""
        standby = None if self._raw is None else _is_standby(self._raw)
        if getattr(error, "sqlstate", None) in _STUCK:
            self.drop()
        return translate(error, self._target.place, standby=standby)

    def _refuse_other_process(self) -> None:
        if self._pid != os.getpid():
            raise StoreUnavailable(
                "this connection was opened before a fork and cannot be used in the child: "
                "open the worker after forking"
            )


def _connect(target: Target) -> "psycopg.Connection[Row]":
    raw = psycopg.Connection.connect(**target.for_store, autocommit=True)
    raw.prepare_threshold = None
    raw.adapters.register_dumper(int, Int8BinaryDumper)
    arrays.register(raw)
    return raw


def _times_transactions(raw: "psycopg.Connection[Row]") -> bool:
    """Whether the server has a time-out for whole transactions, as since PostgreSQL 17. It would
    end the connection, and a migration; it cannot be set while connecting, since an older server
    refuses what it does not know."""
    return raw.info.server_version >= 170_000


def _is_standby(raw: "psycopg.Connection[Row]") -> bool | None:
    """What the server says of itself unasked; None: a pooler keeps it back."""
    told = None if raw.closed else raw.info.parameter_status("in_hot_standby")
    return None if told is None else told == "on"


def _let_go(held: "list[psycopg.Connection[Row]]", pid: int) -> None:
    """Close what was still open when its owner was forgotten."""
    if pid == os.getpid():
        for raw in held:
            with suppress(psycopg.Error):
                raw.close()


def _give_up(dialling: Dialling, pid: int) -> None:
    """The same for one that was still being made."""
    if pid == os.getpid():
        dialling.give_up()


class Look:
    """A connection as the runner sees it when a plan only reads: of one statement, so that it is
    a snapshot without a transaction around it."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection
        self._statements = 0

    def begin(self) -> None:
        """Make ready."""
        self._statements = 0
        self._connection.begin()

    def execute(self, statement: Statement) -> Reply:
        """Execute the one statement."""
        self._statements += 1
        if self._statements > 1:
            raise TypeError("a plan that reads has one statement: two are no snapshot")
        slow = statement.name in _SLOW
        return self._connection.execute(statement._replace(alone=not slow))

    def commit(self) -> None:
        """End whatever the pooler needed."""
        self._connection.commit()

    def rollback(self) -> None:
        """End it after an error."""
        self._connection.rollback()
