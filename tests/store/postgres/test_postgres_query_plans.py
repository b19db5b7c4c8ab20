"""How PostgreSQL carries out the statements: what runs all the time, or on large tables, uses keys.

With the settings of the store's own connections, and with each kind of statistics: none, as in a
new store, those of a full one, and those of one that was swept while it was empty. A queue is now
empty and now full, and the plan must not depend on when somebody looked.
"""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from postgres_server import ask, drop_schema, new_schema, store_url

from jobhost.clock import SystemClock
from jobhost.store.postgres.catalogue import statements
from jobhost.store.postgres.connection import PostgresConnection
from jobhost.store.postgres.store import PostgresStore
from jobhost.store.postgres.target import read_target

JOBS = 20_000

SMALL = {"cancellation", "migration", "moved", "node", "number", "queue", "running"}
"""What may be walked from end to end: bounded by slots, by nodes, of which few are kept, or by the
call itself."""

PASSING = {"LockRows", "Result", "Subquery Scan", "Append", "Merge Append"}
"""Steps that hand on row by row: a limit above them ends what is below."""

STOPS_EARLY: dict[str, set[str]] = {"heartbeat": {"blocked"}}
"""Whether there is any row at all: the first one is the answer."""

THROUGH_THE_VIEW = {
    name: {"scheduled"}
    for name in (
        "list_blocked", "list_jobs", "list_running", "list_scheduled", "list_succeeded",
        "list_dead", "list_unsuccessful", "peek", "show_job",
    )
}  # fmt: skip
"""Two indexes of `scheduled` can find a job, and to the planner both cost nothing while it believes
the table to be empty. The view takes the worse one then, for the few rows that are shown, until
autovacuum has analysed the table: about a minute after it was filled."""

FIRST_COLUMNS = {
    "attempt_pkey": "job",
    "blocked_aside": "task",
    "blocked_queue": "queue",
    "blocked_suspect": "suspect_of",
    "blocked_task": "task",
    "done_unsuccessful": "state",
    "expiry_due": "expires_at",
    "idempotency_pkey": "task",
    "idempotency_until": "until",
    "job_id_key": "id",
    "job_parent": "parent",
    "job_pkey": "number",
    "ready_moved": "job",
    "ready_order": "queue",
    "scheduled_due": "due_at",
    "unique_key_job": "job",
    "unique_key_pkey": "task",
    **{f"{table}_pkey": "job" for table in ("blocked", "done", "scheduled")},
    **{f"{table}_pkey": "job" for table in ("checkpoint", "expiry", "log", "progress", "revision")},
}
"""Of the indexes of tables that grow."""

FOR_PEOPLE = {
    "tally": "counts everything, and says so",
    "list_ready": "sorts the numbers of the waiting jobs to show the newest",
    "blocked_tasks": "counts what is blocked",
    "blocked_suspects": "counts what waits to run alone",
}

NO_PLAN = {name for name in statements("jobhost", server_time=True) if name.startswith("check_")}
"""Statements for `jobhost doctor`, which look at the server."""

FILL = """
INSERT INTO {s}.job (number, id, task, queue, priority, payload, created_at)
SELECT n, gen_random_uuid(), 'work', 'default', n % 3, '[]', n FROM generate_series(1, {n}) n;
INSERT INTO {s}.ready SELECT 'default', n % 3, 1, n, n, 'work', 0, 0, 0, 0
FROM generate_series(1, {n} / 4) n;
INSERT INTO {s}.scheduled SELECT n, n, 'default', n % 3, 'work', 0, 0, 0, 0
FROM generate_series({n} / 4 + 1, {n} / 2) n;
INSERT INTO {s}.blocked SELECT n, 'no worker', 'default', n % 3, 'task' || n % 9, 0, 0, 0, 0,
    CASE WHEN n % 2 = 0 THEN n % 5 END
FROM generate_series({n} / 2 + 1, {n} / 2 + 1000) n;
INSERT INTO {s}.done (job, state, ended_at, epoch, node, deliveries, failures, crashes)
SELECT n, CASE WHEN n % 100 = 0 THEN 'dead' ELSE 'succeeded' END, n, 1, 1, 1, 0, 0
FROM generate_series({n} / 2 + 1001, {n}) n;
INSERT INTO {s}.attempt SELECT n, 1, 'failed', 1, n, n, 1, NULL FROM generate_series(1, {n}) n;
INSERT INTO {s}.node (number, id, host, pid, version, slots, queues, tasks, started_at,
    heartbeat_at, lease_until)
SELECT n, 'id' || n, 'here', n, '1', 1, '[]', '[]', 0, 0, 0 FROM generate_series(1, 20) n;
"""


HISTORIES = {
    "fresh": [],
    "swept": ["VACUUM (ANALYZE)"],
    "emptied": ["fill", "DELETE FROM", "VACUUM (ANALYZE, TRUNCATE off)"],
    "refilled": ["fill", "DELETE FROM", "VACUUM (ANALYZE, TRUNCATE off)", "fill"],
    "filled": ["fill", "ANALYZE"],
}
"""What a table has been through is what the planner believes of it: "emptied" is one that
autovacuum has seen between two floods, with pages and no rows, and so without any cost."""


@pytest.fixture(scope="module", params=list(HISTORIES))
def planner(request: pytest.FixtureRequest) -> Iterator[PostgresConnection]:
    """A connection of the store's own, to tables with such a history."""
    schema = new_schema()
    store = PostgresStore(store_url(schema), SystemClock())
    store.migrate()
    for step in HISTORIES[request.param]:
        if step == "fill":
            ask(FILL.format(s=schema, n=JOBS))
        else:
            ask_each(step, schema)
    with closing(PostgresConnection(read_target(store_url(schema), SystemClock()))) as connection:
        yield connection
    store.close()
    drop_schema(schema)


def ask_each(command: str, schema: str) -> None:
    """Give a command for each table."""
    for (table,) in ask("SELECT tablename FROM pg_tables WHERE schemaname = %(s)s", s=schema):
        ask(f"{command} {schema}.{table}")


def explain(connection: PostgresConnection, name: str) -> dict[str, Any]:
    """The root of the generic plan, as it is used for a prepared statement."""
    text = statements(connection.target.schema, server_time=True)[name].text.decode()
    names = list(dict.fromkeys(re.findall(r"%\(([a-z_]+)\)s", text)))
    for number, parameter in enumerate(names, 1):
        text = text.replace(f"%({parameter})s", f"${number}")
    text = text.replace("%%", "%")
    connection.begin()
    connection._open_transaction(name)
    raw = connection.raw
    assert raw is not None
    try:
        raw.execute(f"PREPARE examined AS {text}".encode(), prepare=False)
        given = f"({', '.join(['NULL'] * len(names))})" if names else ""
        explained = raw.execute(f"EXPLAIN (FORMAT JSON) EXECUTE examined{given}".encode())
        ((found,),) = explained.fetchall()
        raw.execute(b"DEALLOCATE examined")  # here: after the end a pooler may change servers
    finally:
        connection.rollback()
    if isinstance(found, str | bytes):
        found = json.loads(found)
    root: dict[str, Any] = found[0]["Plan"]
    return root


def walked(plan: dict[str, Any], *, limited: bool = False) -> Iterator[str]:
    """Tables that are read from end to end, by themselves or along an index without a condition
    on what it begins with, where no limit ends it; of a queue also those in which its place is
    not given."""
    kind, index = plan["Node Type"], plan.get("Index Name", "")
    needed = [FIRST_COLUMNS.get(index, ""), *(["seq"] if index == "ready_order" else [])]
    given = plan.get("Index Cond", "")
    along_index = kind.startswith("Index") and not all(
        re.search(rf"\b{column}\b", given) for column in needed
    )
    if kind == "Seq Scan" or (along_index and not limited):
        yield plan["Relation Name"]
    limited = kind == "Limit" or (limited and kind in PASSING)
    for part in plan.get("Plans", []):
        yield from walked(part, limited=limited)


EVERY = sorted(set(statements("jobhost", server_time=True)) - FOR_PEOPLE.keys() - NO_PLAN)


@pytest.mark.parametrize("name", EVERY)
def test_no_statement_walks_a_table_that_grows(planner: PostgresConnection, name: str) -> None:
    found = set(walked(explain(planner, name))) - SMALL - THROUGH_THE_VIEW.get(name, set())
    assert found == STOPS_EARLY.get(name, set())


def test_the_table_of_first_columns_is_right(planner: PostgresConnection) -> None:
    rows = ask(
        "SELECT i.indexrelid::regclass::text, a.attname, c.relname FROM pg_index i "
        "JOIN pg_class c ON c.oid = i.indrelid "
        "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] "
        "WHERE c.relnamespace = to_regnamespace(%(s)s)",
        s=planner.target.schema,
    )
    found = {index.split(".")[-1]: column for index, column, table in rows if table not in SMALL}
    assert found == FIRST_COLUMNS


def test_a_cycle_sorts_nothing_that_it_claims(planner: PostgresConnection) -> None:
    """Whatever it sorts is at most as much as it has slots: what was claimed."""
    assert below_sorts(explain(planner, "cycle")) <= {"job"}


def test_a_cycle_asks_one_index_for_the_queues_of_which_nothing_starts(
    planner: PostgresConnection,
) -> None:
    """It holds no row where no queue is paused or has hours."""
    assert "queue_shut" in set(indexes(explain(planner, "cycle")))


def indexes(plan: dict[str, Any]) -> Iterator[str]:
    yield plan.get("Index Name", "")
    for part in plan.get("Plans", []):
        yield from indexes(part)


def below_sorts(plan: dict[str, Any], *, sorted_above: bool = False) -> set[str]:
    sorts = sorted_above or plan["Node Type"] in ("Sort", "Incremental Sort")
    found = {plan["Relation Name"]} if sorts and "Relation Name" in plan else set()
    for part in plan.get("Plans", []):
        if part.get("Parent Relationship") != "InitPlan":
            found |= below_sorts(part, sorted_above=sorts)
    return found


@pytest.mark.parametrize(
    "name", ["claim_suspect", "heartbeat", "list_nodes", "live_nodes", "orphans", "served"]
)
def test_what_is_asked_of_the_living_does_not_walk_the_dead(
    planner: PostgresConnection, name: str
) -> None:
    """Rows of nodes that have ended stay for weeks, and there may be thousands."""
    looks = set(looks_at(explain(planner, name), "node"))
    assert looks
    assert {index for index, given in looks if not given} <= {"node_live"}


def looks_at(plan: dict[str, Any], table: str) -> Iterator[tuple[str, str]]:
    """Index and condition of each look at a table."""
    if plan.get("Relation Name") == table and plan["Node Type"] != "ModifyTable":
        yield plan.get("Index Name", "none"), plan.get("Index Cond", "")
    for part in plan.get("Plans", []):
        yield from looks_at(part, table)
