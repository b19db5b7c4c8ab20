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
BY_JOB = {
    f"SEARCH j USING {ROWID}",
    "SEARCH r USING PRIMARY KEY (queue=? AND priority=? AND lane=? AND seq=?)",
    "SEARCH r USING INDEX jobhost_ready_staged (job=?)",
    "SEARCH r USING INDEX jobhost_ready_again (job=?)",
}
JOB_BY_ID = "SEARCH j USING INDEX sqlite_autoindex_jobhost_job_1 (id=?)"

PAUSED = "SEARCH jobhost_queue USING PRIMARY KEY (name=?)"
DEAD = "SEARCH d USING INDEX jobhost_done_unsuccessful (state=?)"
ALL_SHUT = "SCAN jobhost_queue USING INDEX jobhost_queue_shut"

HOT: dict[str, set[str]] = {
    "claim_ready": {"SEARCH r USING PRIMARY KEY (queue=?)", f"SEARCH j USING {ROWID}"},
    "claim_line": {
        "SEARCH r USING PRIMARY KEY (queue=? AND priority=? AND lane=? AND seq>?)",
        f"SEARCH j USING {ROWID}",
    },
    "claim_between": {
        "SEARCH r USING PRIMARY KEY (queue=? AND priority>? AND priority<?)",
        f"SEARCH j USING {ROWID}",
    },
    "shut": {ALL_SHUT},
    "head_of": {"SEARCH jobhost_ready USING PRIMARY KEY (queue=?)"},
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
        ALL_SHUT,
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
        PAUSED.replace("jobhost_queue ", "p "),
    },
    "find_job": {JOB_BY_ID, *VIEW},
    "show_job": {JOB_BY_ID, *VIEW, f"SEARCH p USING {ROWID}"},
    "progress_of": {f"SEARCH p USING {ROWID}", "SCAN e"},
    "at_work": {
        "SCAN r",
        f"SEARCH p USING {ROWID}",
        f"SEARCH j USING {ROWID}",
        "USE TEMP B-TREE FOR ORDER BY",
    },
    "log_of": {
        "SEARCH jobhost_job USING INDEX sqlite_autoindex_jobhost_job_1 (id=?)",
        "SEARCH l USING PRIMARY KEY (job=? AND (epoch,line)>(?,?))",
    },
    "trim_log": {"SEARCH jobhost_log USING PRIMARY KEY (job=? AND epoch=? AND line>? AND line<?)"},
    "save_checkpoint": {f"SEARCH r USING {ROWID}", f"SEARCH n USING {ROWID}"},
    "checkpoint_of": {f"SEARCH jobhost_checkpoint USING {ROWID}"},
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
        ALL_SHUT,
        "SCAN o USING INDEX jobhost_node_live",
        *(f"SEARCH {node} USING {ROWID}" for node in ("me", "s", "jobhost_node")),
    },
    "start_suspect": {f"SEARCH jobhost_blocked USING {ROWID}"},
    "suspects_of": {"SEARCH jobhost_blocked USING INDEX jobhost_blocked_suspect (suspect_of=?)"},
    "set_aside": GUARDED,
    "defer": GUARDED,
    "hold_deferred": {f"SEARCH jobhost_blocked USING {ROWID}"},
    "deferred_since": {f"SEARCH jobhost_blocked USING {ROWID}"},
    "expiry_of": {f"SEARCH jobhost_expiry USING {ROWID}"},
    "id_of": {f"SEARCH jobhost_job USING {ROWID}"},
    "envelope_of": {f"SEARCH jobhost_job USING {ROWID}"},
    "replace_envelope": {f"SEARCH jobhost_job USING {ROWID}"},
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
    "queue_settings": {PAUSED},
    "move_opening": {PAUSED},
    "age_of_queue": {PAUSED},
    "keep_marks": {PAUSED},
    "waited": {
        "SEARCH jobhost_ready USING PRIMARY KEY (queue=? AND priority=? AND lane=? AND seq<?)"
    },
    "raise_ready": {
        "SEARCH r USING PRIMARY KEY (queue=? AND priority=? AND lane=? AND seq=?)",
    },
    "leave_line": {
        "SEARCH jobhost_ready USING PRIMARY KEY (queue=? AND priority=? AND lane=? AND seq=?)",
    },
    "queue_lines": {
        "SEARCH r USING PRIMARY KEY (queue=?)",
        "SEARCH r USING PRIMARY KEY (queue=? AND priority<?)",
        "SEARCH r USING PRIMARY KEY (queue=? AND priority=? AND lane=?)",
        "SEARCH r USING PRIMARY KEY (queue=? AND priority=? AND lane=? AND seq=?)",
        "SEARCH j USING INTEGER PRIMARY KEY (rowid<?)",
        "SEARCH j USING INTEGER PRIMARY KEY (rowid>?)",
        *(f"SCAN {name}" for name in ("l", "n", "h", "(subquery-11)")),
        "USE TEMP B-TREE FOR ORDER BY",
    },
    "sample_line": {
        "SEARCH r USING PRIMARY KEY (queue=? AND priority=? AND lane=? AND seq>? AND seq<?)",
        "SCAN (subquery-1)",
        "USE TEMP B-TREE FOR ORDER BY",
    },
    "arrivals": {"SCAN jobhost_job", "SCAN n", "USE TEMP B-TREE FOR GROUP BY"},
    "known_queues": {
        "SEARCH jobhost_ready USING PRIMARY KEY",
        "SEARCH r USING PRIMARY KEY (queue>?)",
        *(f"SCAN {name}" for name in ("w", "waiting", "jobhost_running", "jobhost_queue")),
        "SCAN n USING INDEX jobhost_node_live",
        "USE TEMP B-TREE FOR ORDER BY",
    },
    "watched_queues": {
        "SCAN jobhost_queue",
        "SCAN n USING INDEX jobhost_node_live",
        "SEARCH n USING INDEX jobhost_node_live",
        "SCAN first_one",
    },
    "hold_waiting": {f"SEARCH {table} USING {ROWID}" for table in "jdrsb"}
    | {"SEARCH q USING INDEX jobhost_ready_again (job=?)"},
    "standings": {f"SEARCH {table} USING {ROWID}" for table in "jdrsb"}
    | {"SCAN e", "SEARCH q USING INDEX jobhost_ready_again (job=?)"},
    "take_unique_keys": {
        "SCAN 4 CONSTANT ROWS",
        "SCAN t",
        JOB_BY_ID,
    },
    "slice_of_unique_keys": {
        "SEARCH jobhost_unique_key USING INDEX jobhost_unique_key_job (job>?)",
        "SCAN u",
        f"SEARCH j USING {ROWID}",
        f"SEARCH d USING {ROWID}",
    },
    "prune_idempotency": {
        "SEARCH jobhost_idempotency USING PRIMARY KEY (task=? AND key=?)",
        "SEARCH jobhost_idempotency USING INDEX jobhost_idempotency_until (until<?)",
    },
    "told_by_nodes": {"SCAN n USING INDEX jobhost_node_live"},
    "due_expiries": {
        "SEARCH e USING INDEX jobhost_expiry_due (expires_at<?)",
        f"SEARCH r USING {ROWID}",
    },
    "next_expiry": {"SEARCH jobhost_expiry USING INDEX jobhost_expiry_due"},
    "expired_among": {f"SEARCH e USING {ROWID}"},
    "expire_ready": {*BY_JOB},
    "leave_ready_for_good": {
        *BY_JOB,
        "SEARCH jobhost_ready USING PRIMARY KEY (queue=? AND priority=? AND lane=? AND seq=?)",
    },
    "walk_succeeded": {
        "SEARCH jobhost_done USING INTEGER PRIMARY KEY (rowid>?)",
        "SCAN h",
        f"SEARCH j USING {ROWID}",
        "USE TEMP B-TREE FOR ORDER BY",
    },
    "walk_unsuccessful": {
        "SEARCH jobhost_done USING INDEX jobhost_done_unsuccessful (state=? AND job>?)",
        "SCAN h",
        f"SEARCH j USING {ROWID}",
        "USE TEMP B-TREE FOR ORDER BY",
    },
    "count_dead": {DEAD, f"SEARCH j USING {ROWID}", "SCAN (subquery-1)"},
    "group_dead": {
        DEAD,
        *(f"SEARCH {table} USING {ROWID}" for table in "jd"),
        *(f"SCAN {name}" for name in ("meant", "g")),
        *(f"USE TEMP B-TREE FOR {what} BY" for what in ("GROUP", "ORDER")),
    },
    "list_dead": {
        DEAD.replace("state=?", "state=? AND job<?"),
        *VIEW,
        f"SEARCH j USING {ROWID}",
        "SCAN picked",
        "USE TEMP B-TREE FOR ORDER BY",
    },
    "find_dead": {DEAD.replace("state=?", "state=? AND job>?"), f"SEARCH j USING {ROWID}"},
    "peek": {
        "SEARCH jobhost_ready USING PRIMARY KEY (queue=?)",
        *VIEW,
        f"SEARCH j USING {ROWID}",
        "SCAN head",
        "USE TEMP B-TREE FOR ORDER BY",
    },
    "place_in_line": {
        "SEARCH jobhost_ready USING PRIMARY KEY (queue=?)",
        "SEARCH jobhost_job USING INDEX sqlite_autoindex_jobhost_job_1 (id=?)",
        *(f"SCAN {name}" for name in ("head", "line", "(subquery-5)")),
        "USE TEMP B-TREE FOR ORDER BY",
    },
    "live_nodes": {"SCAN jobhost_node USING INDEX jobhost_node_live"},
    "paused_for": {"SCAN jobhost_queue USING INDEX jobhost_queue_shut"},
    "expired_for": {
        "SEARCH jobhost_expiry USING INDEX jobhost_expiry_due (expires_at<?)",
        *(f"SEARCH {table} USING {ROWID}" for table in "rd"),
        "SCAN e",
    },
    "long_held_keys": {
        "SCAN jobhost_unique_key USING INDEX jobhost_unique_key_job",
        *(f"SEARCH {table} USING {ROWID}" for table in "jrds"),
        "SCAN u",
    },
    "ended_windows": {"SCAN jobhost_idempotency USING INDEX jobhost_idempotency_until"},
    "dead_lately": {
        "SEARCH jobhost_done USING INDEX jobhost_done_unsuccessful (state=?)",
        "SCAN (subquery-1)",
    },
    "longest_kept": {"SCAN jobhost_done", "SCAN (subquery-1)", "SEARCH (subquery-1)"},
    "waiting_queues": {
        "SEARCH jobhost_ready USING PRIMARY KEY",
        "SEARCH r USING PRIMARY KEY (queue>?)",
        "SEARCH jobhost_blocked USING INDEX jobhost_blocked_queue",
        "SEARCH b USING INDEX jobhost_blocked_queue (queue>?)",
        *(f"SCAN {name}" for name in ("w", "a", "waiting", "aside")),
        "USE TEMP B-TREE FOR DISTINCT",
    },
    "tally_bounded": {
        "SCAN jobhost_scheduled USING INDEX jobhost_scheduled_due",
        "SCAN jobhost_blocked USING INDEX jobhost_blocked_queue",
        "SEARCH jobhost_done USING INDEX jobhost_done_unsuccessful (state=?)",
        *(f"SCAN (subquery-{number})" for number in (1, 3, 5)),
    },
}
"""Statement to the lines that its plan may have, and no others."""

SMALL = {
    "c", "e", "first", "h", "l", "n", "o", "r", "t", "u",
    "jobhost_cancellation", "jobhost_moved", "jobhost_node", "jobhost_queue", "jobhost_running",
    "jobhost_sequence",
}  # fmt: skip
"""What may be walked from end to end: bounded by slots, by nodes, of which few are kept, or by the
call itself."""

FOR_PEOPLE = {
    "count_dead": "walks the newest dead jobs, up to a bound",
    "group_dead": "walks the newest dead jobs, up to a bound",
    "list_dead": "walks its own result, a page",
    "peek": "walks its own result, a page",
    "place_in_line": "walks the first jobs of a queue, up to a bound",
    "count_waiting": "counts up to the bound that it is given",
    "free_pages": "one row of each pragma",
    "tally": "counts everything, and says so",
    "list_ready": "collects the numbers of the waiting jobs to show the newest",
    "blocked_tasks": "counts what is set aside, and says so",
    "blocked_suspects": "counts what waits to run alone, and says so",
    "long_deferred": "walks the oldest of what is blocked, up to a bound",
    "crash_loops": "walks the nodes that were, and says so",
    "queue_lines": "walks its own result, a row for each line",
    "sample_line": "walks the places that it is given, and counts up to a bound at each",
    "watched_queues": "walks what people have named, and its own result of one row",
    "ageing_queues": "walks what people have named, and its own result of one row",
    "arrivals": "walks the newest jobs, up to a bound",
    "known_queues": "walks its own result, a row for each queue",
    "waiting_queues": "walks its own result, a row for each queue",
    "long_held_keys": "walks the oldest holders of keys, up to a bound",
    "ended_windows": "looks at the first entry of an index",
    "dead_lately": "walks the newest dead jobs, up to a bound",
    "longest_kept": "walks the oldest ended jobs, up to a bound",
    "tally_bounded": "counts, up to a bound",
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


@pytest.mark.parametrize("name", ["claim_ready", "claim_line", "claim_between"])
def test_claiming_sorts_nothing_and_walks_nothing(database: sqlite3.Connection, name: str) -> None:
    lines = plan(database, name)
    assert not [line for line in lines if "TEMP B-TREE" in line or line.startswith("SCAN")]


@pytest.mark.parametrize("name", sorted(statements().keys() - FOR_PEOPLE.keys()))
def test_no_statement_walks_a_table_that_grows(database: sqlite3.Connection, name: str) -> None:
    walked = {line.split()[1] for line in plan(database, name) if line.startswith("SCAN")}
    assert walked <= SMALL
