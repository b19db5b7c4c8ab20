"""Performs a statement of a plan, on whatever connection: it is bound, and its rows are read."""

import sqlite3
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

from jobhost.clock import Instant
from jobhost.store.plan import Reply, Row, Statement
from jobhost.store.sqlite.catalogue import Sql

Execute = Callable[[str, Any], sqlite3.Cursor]
"""Executes one text with its values."""

_CHUNKS: Final = (64, 16, 4, 1)
"""Rows of one statement: a few sizes, so that every text is prepared once."""


def perform(execute: Execute, sql: Sql, statement: Statement, now: Instant) -> Reply:
    """Execute one statement of a plan. Raises what `execute` raises, and the driver's errors.

    Args:
        execute: On the connection.
        sql: The statement in the dialect.
        statement: As the plan has it.
        now: The present time, if it asks for that.
    """
    params = {**statement.params, "now": now} if sql.wants_now else statement.params
    if statement.rows is not None:
        return Reply([], _perform_rows(execute, sql, params, statement.rows))
    cursor = execute(sql.text, params)
    rows: list[Row] = cursor.fetchall() if cursor.description else []
    return Reply(rows, max(cursor.rowcount, 0))


def _perform_rows(execute: Execute, sql: Sql, params: Any, rows: Sequence[Row]) -> int:
    """Execute for many rows, many to a statement: each statement gives up the interpreter's
    lock, and in a busy process getting it back is what costs."""
    changed = at = 0
    for size in _CHUNKS:
        while len(rows) - at >= size:
            many = sql.for_rows(size)
            values = [*chain.from_iterable(rows[at : at + size])]
            values += [params[name] for name in many.names]
            changed += execute(many.text, values).rowcount
            at += size
    return changed
