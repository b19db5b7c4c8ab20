"""What may be wrong with a store on PostgreSQL: the server, the login, the tables, the jobs.

Each check is one statement that reads, and a pure function that judges its rows (`judgement.py`).
What the login may not see becomes a note, so that one with few rights learns what it can.
"""

import json
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from jobhost.clock import Clock
from jobhost.errors import SchemaMismatch, StoreBusy, StoreUnavailable
from jobhost.store.backlog import CHECKS
from jobhost.store.checkup import (
    NAMED_MAX,
    Finding,
    judge_due,
    judge_nodes,
    judge_schema,
    judge_suspects,
    judge_waiting,
    note,
)
from jobhost.store.plan import Plan, Row, Statement, run
from jobhost.store.plans import checkup as plans
from jobhost.store.plans.look import served_queues
from jobhost.store.plans.nodes import LiveNode, live_nodes
from jobhost.store.postgres import schema
from jobhost.store.postgres.connection import PostgresConnection
from jobhost.store.postgres.faults import REFUSED_RIGHT
from jobhost.store.postgres.judgement import (
    Holder,
    Lack,
    Login,
    Server,
    judge_clocks,
    judge_connections,
    judge_encoding,
    judge_holders,
    judge_jump,
    judge_login,
    judge_notices,
    judge_pooler,
    judge_server,
    judge_settings,
    judge_tables,
)
from jobhost.store.postgres.roles import needed_rights

T = TypeVar("T")

OLD_SECONDS: Final = 60.0
"""Age from which an open transaction is in the way: queue tables turn over many times in it."""


def checkup(
    connection: PostgresConnection, machine: Clock, *, old_seconds: float = OLD_SECONDS
) -> list[Finding]:
    """All checks, over a connection of its own.

    Args:
        connection: To the store.
        machine: This machine's clock.
        old_seconds: From which age on a transaction is told.

    Raises StoreError when the server cannot be asked.
    """
    look = _Look(connection, machine, old_seconds)
    return [finding for check in look.checks() for finding in check()]


class _Look:
    def __init__(self, connection: PostgresConnection, machine: Clock, old_seconds: float) -> None:
        self._connection = connection
        self._machine = machine
        self._old_seconds = old_seconds
        self._schema = connection.target.schema
        self._autovacuum_is_on = True

    def checks(self) -> tuple[Callable[[], list[Finding]], ...]:
        """In the order in which they are told."""
        return (
            self._server, self._login, self._schema_is_current, self._autovacuum, self._holders,
            self._connections, self._notices, self._workers, self._waiting, self._suspects,
            self._due, self._clock_jumped,
            *(partial(self._if_allowed, name, partial(look, self._ask)) for name, look in CHECKS),
        )  # fmt: skip

    def _server(self) -> list[Finding]:
        self._connection.begin()  # opened now, so that only the question lies between the times
        before = self._machine.now()
        server = Server._make(self._rows("check_server")[0])
        after = self._machine.now()
        skew = (server.now - (before + after) / 2) / 1_000_000
        unsure = (after - before) / 2_000_000
        self._autovacuum_is_on = server.autovacuum
        target = self._connection.target
        return [
            *judge_server(server),
            *judge_encoding(server.encoding),
            *judge_settings(server, str(target.parameters.get("options") or "")),
            judge_clocks(skew, unsure),
            *judge_pooler(pooled=target.pooled),
        ]

    def _login(self) -> list[Finding]:
        wanted = json.dumps(
            [right._asdict() for part in needed_rights().values() for right in part]
        )
        [row] = self._rows("check_login", schema=self._schema, wanted=wanted)
        login = Login._make(row)
        return judge_login(login._replace(lacks=[Lack._make(right) for right in login.lacks]))

    def _schema_is_current(self) -> list[Finding]:
        def judge() -> list[Finding]:
            try:
                applied = [number for number, _ in self._rows("applied_migrations")]
            except SchemaMismatch:
                applied = []
            step = "run 'jobhost migrate' as its owner"
            return [judge_schema(applied, schema.newest(), step)]

        return self._if_allowed("schema", judge)

    def _autovacuum(self) -> list[Finding]:
        return judge_tables(
            self._rows("check_tables", schema=self._schema), autovacuum=self._autovacuum_is_on
        )

    def _holders(self) -> list[Finding]:
        rows = self._rows("check_snapshots", seconds=self._old_seconds, limit=10 * NAMED_MAX)
        return judge_holders(map(Holder._make, rows))

    def _connections(self) -> list[Finding]:
        [(used, most)] = self._rows("check_connections")
        return [judge_connections(int(used), most)]

    def _notices(self) -> list[Finding]:
        [(share, oldest)] = self._rows("check_notices")
        return [judge_notices(share, oldest)]

    def _workers(self) -> list[Finding]:
        def judge() -> list[Finding]:
            nodes: list[LiveNode] = self._ask(live_nodes)
            return judge_nodes(nodes, self._ask(plans.crash_loops))

        return self._if_allowed("workers", judge)

    def _waiting(self) -> list[Finding]:
        def judge() -> list[Finding]:
            queues, served = self._ask(plans.waiting_queues), self._ask(served_queues)
            return judge_waiting(queues, served, self._ask(plans.blocked_tasks))

        return self._if_allowed("queues", judge)

    def _suspects(self) -> list[Finding]:
        def judge() -> list[Finding]:
            return judge_suspects(self._ask(plans.blocked_suspects), self._ask(plans.served_tasks))

        return self._if_allowed("suspects", judge)

    def _due(self) -> list[Finding]:
        return self._if_allowed("scheduled", lambda: judge_due(self._ask(plans.next_due)))

    def _clock_jumped(self) -> list[Finding]:
        return self._if_allowed("clock", lambda: judge_jump(self._ask(plans.ahead_us)))

    def _ask(self, make: Callable[[], Plan[T]]) -> T:
        return run(self._connection.reading(), make)

    def _rows(self, name: str, **params: object) -> list[Row]:
        def plan() -> Plan[list[Row]]:
            return (yield Statement(name, params)).rows

        return self._ask(plan)

    def _if_allowed(self, check: str, judge: Callable[[], list[Finding]]) -> list[Finding]:
        """What it finds; a note when this login may not look, or the answer takes too long;
        nothing without a schema."""
        try:
            return judge()
        except SchemaMismatch:
            return []
        except StoreBusy:
            return [
                note(check, "the server took too long to tell", "ask again when it has less to do")
            ]
        except StoreUnavailable as error:
            if getattr(error.__cause__, "sqlstate", None) != REFUSED_RIGHT:
                raise
            sentence = "this login may not look at it"
            return [note(check, sentence, "ask again as the viewer of 'jobhost roles'")]
