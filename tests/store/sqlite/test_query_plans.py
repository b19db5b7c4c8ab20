"""How SQLite carries out the statements: what runs all the time, or on large tables, uses keys.

No ANALYZE, as in production: a plan that leans on statistics changes overnight.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from jobhost.store.sqlite import schema
from jobhost.store.sqlite.catalogue import statements

ROWID = "INTEGER PRIMARY KEY (rowid=?)"
STRETCH = "PRIMARY KEY (queue=? AND priority=? AND lane=? AND seq>? AND seq<?)"
GUARDED = {f"SEARCH jobhost_node USING {ROWID}", f"SEARCH r USING {ROWID}", "SCAN e"}
VIEW = {f"SEARCH {table} USING {ROWID}" for table in "drsbcn"} | {
    "SEARCH q USING INDEX jobhost_ready_again (job=?)"
}
JOB_BY_ID = "SEARCH j USING INDEX sqlite_autoindex_jobhost_job_1 (id=?)"

HOT: dict[str, set[str]] = {
    "claim_ready": {"SEARCH r USING PRIMARY KEY (queue=?)", f"SEARCH j USING {ROWID}"},
    "start_running": {f"SEARCH jobhost_ready USING {STRETCH}"},
    "leave_ready": {f"SEARCH jobhost_ready USING {STRETCH}"},
    "complete": GUARDED,
    "finish": GUARDED,
    "append_attempts": GUARDED,
    "reschedule": GUARDED,
    "hand_back": GUARDED,
    "leave_running": {f"SEARCH jobhost_running USING {ROWID}"},
    "hold_lease": {f"SEARCH jobhost_node USING {ROWID}"},
    "heartbeat": {
        "SCAN jobhost_node USING INDEX jobhost_node_live",
        "SEARCH jobhost_blocked USING INDEX jobhost_blocked_suspect (suspect_of>?)",
        "SEARCH b USING INDEX jobhost_blocked_aside (task=?)",
        "SCAN o USING INDEX jobhost_node_live",
        f"SEARCH s USING {ROWID}",
    },
    "bury_node": {f"SEARCH jobhost_node USING {ROWID}"},
    "prune_nodes": {
        f"SEARCH jobhost_node USING {ROWID}",
        "SCAN n",
        "SCAN jobhost_node",
        "SEARCH b USING INDEX jobhost_blocked_suspect (suspect_of=?)",
        "SCAN r",
        "SCAN o USING INDEX jobhost_node_live",
    },
    "cancellations": {"SCAN c", f"SEARCH r USING {ROWID}"},
    "make_ready": {"SEARCH jobhost_job USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
    "make_scheduled": {"SEARCH jobhost_job USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
    "due": {"SEARCH jobhost_scheduled USING INDEX jobhost_scheduled_due (due_at<?)"},
    "next_due": {"SEARCH jobhost_scheduled USING INDEX jobhost_scheduled_due"},
    "stage": {f"SEARCH s USING {ROWID}"},
    "leave_scheduled": {f"SEARCH jobhost_scheduled USING {ROWID}"},
    "unserved": {
        "SEARCH jobhost_ready USING PRIMARY KEY (queue=?)",
        "SCAN h",
        "SCAN n USING INDEX jobhost_node_live",
    },
    "served": {
        "SEARCH b USING INDEX jobhost_blocked_task (task=?)",
        "SCAN n USING INDEX jobhost_node_live",
    },
    "claim_one": {
        JOB_BY_ID,
        "SEARCH r USING PRIMARY KEY (queue=? AND priority=? AND lane=? AND seq=?)",
    },
    "find_job": {JOB_BY_ID, *VIEW},
    "show_job": {JOB_BY_ID, *VIEW},
    "list_jobs": {"SEARCH j USING INTEGER PRIMARY KEY (rowid<?)", *VIEW},
    "list_unsuccessful": {
        f"SEARCH j USING {ROWID}",
        "SEARCH jobhost_done USING INDEX jobhost_done_unsuccessful (state=?)",
        *VIEW,
    },
    "heads_of": {"SEARCH jobhost_ready USING PRIMARY KEY (queue=?)", "SCAN h"},
    "park": {"SEARCH r USING PRIMARY KEY (queue=?)"},
    "claim_suspect": {
        "SEARCH b USING INDEX jobhost_blocked_suspect (suspect_of>?)",
        f"SEARCH j USING {ROWID}",
        "SCAN o USING INDEX jobhost_node_live",
        *(f"SEARCH {node} USING {ROWID}" for node in ("me", "s", "jobhost_node")),
    },
    "start_suspect": {f"SEARCH jobhost_blocked USING {ROWID}"},
    "suspects_of": {"SEARCH jobhost_blocked USING INDEX jobhost_blocked_suspect (suspect_of=?)"},
    "set_aside": GUARDED,
    "set_aside_as_a_whole": {
        "SEARCH jobhost_blocked USING INDEX jobhost_blocked_aside (task=?)",
    },
    "request_drain": {f"SEARCH jobhost_node USING {ROWID}"},
    "list_nodes": {
        "SCAN n USING INDEX jobhost_node_live",
        "SCAN jobhost_running",
        "SEARCH r USING AUTOMATIC INDEX (node=?)",
        "USE TEMP B-TREE FOR GROUP BY",
    },
    "live_nodes": {"SCAN jobhost_node USING INDEX jobhost_node_live"},
}
"""Statement to the lines that its plan may have, and no others."""

SMALL = {
    "c", "e", "h", "n", "o", "r",
    "jobhost_cancellation", "jobhost_moved", "jobhost_node", "jobhost_running", "jobhost_sequence",
}  # fmt: skip
"""What may be walked from end to end: bounded by slots, by nodes, of which few are kept, or by the
call itself."""

FOR_PEOPLE = {
    "tally": "counts everything, and says so",
    "list_ready": "collects the numbers of the waiting jobs to show the newest",
    "blocked_tasks": "counts what is set aside, and says so",
    "blocked_suspects": "counts what waits to run alone, and says so",
    "crash_loops": "walks the nodes that were, and says so",
    "waiting_queues": "walks its own result, a row for each queue",
    "applied_migrations": "a handful of rows",
    "own_names": "the schema, not what it holds",
    "draw_numbers": "a table of one row",
    "job_numbers": "a table of one row",
}


@pytest.fixture(scope="module")
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(schema._LEDGER)
        for file in schema.known_migrations().values():
            connection.executescript(file.read_text(encoding="utf-8"))
        yield connection


def plan(database: sqlite3.Connection, name: str) -> list[str]:
    """The lines about tables and sorting, without what differs between releases of SQLite."""
    text = statements()[name].text
    names = re.findall(r":([a-z_]+)", text)
    bound: Any = dict.fromkeys(names)
    if "(?" in text:
        columns = text.count("?")
        many = statements()[name].for_rows(4)
        text, bound = many.text, [None] * (4 * columns + len(many.names))
    lines = [detail for *_, detail in database.execute(f"EXPLAIN QUERY PLAN {text}", bound)]
    return [
        line.replace(" LEFT-JOIN", "").replace("COVERING ", "")
        for line in lines
        if re.match("SEARCH|SCAN|USE TEMP", line)
        and "VIRTUAL TABLE" not in line
        and "CONSTANT ROW" not in line
    ]


@pytest.mark.parametrize("name", HOT)
def test_a_hot_statement_keeps_to_its_plan(database: sqlite3.Connection, name: str) -> None:
    assert set(plan(database, name)) <= HOT[name]


def test_claiming_sorts_nothing_and_walks_nothing(database: sqlite3.Connection) -> None:
    lines = plan(database, "claim_ready")
    assert not [line for line in lines if "TEMP B-TREE" in line or line.startswith("SCAN")]


@pytest.mark.parametrize("name", sorted(statements().keys() - FOR_PEOPLE.keys()))
def test_no_statement_walks_a_table_that_grows(database: sqlite3.Connection, name: str) -> None:
    walked = {line.split()[1] for line in plan(database, name) if line.startswith("SCAN")}
    assert walked <= SMALL
