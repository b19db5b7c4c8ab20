"""Statements on one connection of the driver, prepared once and executed without its cursors.

A cursor parses, looks up and keeps what is the same each time, which costs more than all else that
Python does for a small statement. The driver still adapts values, waits for the server (so that
an interrupt cancels what is under way) and makes the errors.
"""

from collections.abc import Mapping
from itertools import count
from typing import Any, Final

import psycopg
from psycopg import errors
from psycopg.adapt import PyFormat, Transformer
from psycopg.generators import execute
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult

from jobhost.store.plan import Reply, Row
from jobhost.store.postgres.catalogue import Sql

_AUTO: Final = PyFormat.AUTO

_GOOD: Final = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)

_PREPARED_MAX: Final = 500
"""Several times the number of statements: one whose values come with other types, such as NULL for
a number, is prepared for each. What goes beyond is sent with its text."""


class Prepared:
    """The statements of one connection of the driver; forgotten together with it.

    Args:
        raw: The driver's connection, which is used for nothing else while a statement runs.
        lasting: Whether the next transaction finds there what this one prepared.
    """

    def __init__(self, raw: "psycopg.Connection[Row]", *, lasting: bool) -> None:
        self.raw = raw
        self._names_max = _PREPARED_MAX if lasting else 0
        self._numbers = count()
        self._names: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        self._transformer = Transformer(raw)

    def run(self, sql: Sql, params: Mapping[str, Any]) -> Reply:
        """Execute one statement. Raises what the driver's cursors raise."""
        transformer, server = self._transformer, self.raw.pgconn
        given = [params[name] for name in sql.names]
        values = transformer.dump_sequence(given, [_AUTO] * len(given))
        types, formats = transformer.types or (), transformer.formats
        if name := self._names.get((sql.numbered, types)) or self._prepare(sql.numbered, types):
            server.send_query_prepared(name, values, formats, Format.BINARY)
        else:
            server.send_query_params(sql.numbered, values, types, formats, Format.BINARY)
        result = self._wait()
        if result.status != ExecStatus.TUPLES_OK:
            return Reply([], result.command_tuples or 0)
        transformer.set_pgresult(result)
        rows: list[Row] = transformer.load_rows(0, result.ntuples, tuple)
        transformer.set_pgresult(None)  # or it would be held until the next
        return Reply(rows, len(rows))

    def command(self, text: str) -> None:
        """Send a text of one or several statements without values."""
        self.raw.pgconn.send_query(text.encode())
        self._wait()

    def _prepare(self, text: bytes, types: tuple[int, ...]) -> bytes | None:
        """The name under which the server knows it from now on; None: there are enough. No name is
        given twice: after an interrupt the server may know one that is not known here."""
        if len(self._names) >= self._names_max:
            return None
        name = f"jobhost_{next(self._numbers)}".encode()
        self.raw.pgconn.send_prepare(name, text, types)
        self._wait()
        self._names[text, types] = name
        return name

    def _wait(self) -> PGresult:
        """The answer, the last one of several."""
        results: list[PGresult] = self.raw.wait(execute(self.raw.pgconn))
        for result in results:
            if result.status not in _GOOD:
                raise errors.error_from_result(result, encoding=self.raw.info.encoding)
        return results[-1]
