"""Every accepted job stands in exactly one table, and is never forgotten or doubled."""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from jobhost.jobs.states import State

Query = Callable[[str], list[tuple[Any, ...]]]
"""Runs a query beside the store, on a connection of its own."""

_HOMES = {
    "jobhost_ready": "'ready'",
    "jobhost_scheduled": "'scheduled'",
    "jobhost_blocked": "'blocked'",
    "jobhost_running": "'running'",
    "jobhost_done": "state",
}


class Standing(NamedTuple):
    """Where a job stands, with its counts, as the narrow tables have it."""

    state: State
    epoch: int
    deliveries: int
    failures: int
    crashes: int


def standings(query: Query) -> dict[int, Standing]:
    """All jobs by number. Fails if one stands in several tables."""
    rows = query(_everywhere("epoch, deliveries, failures, crashes"))
    places = Counter(number for number, *_ in rows)
    assert not [job for job, times in places.items() if times > 1], f"in several tables: {rows}"
    return {number: Standing(State(state), *counts) for number, state, *counts in rows}


def numbers(query: Query) -> dict[bytes, int]:
    """The number of each job by its id."""
    return {bytes(job_id): number for number, job_id in query("SELECT number, id FROM jobhost_job")}


def assert_conserved(query: Query) -> None:
    """Accepted is the same as standing in exactly one table; no attempt is told twice."""
    accepted = set(numbers(query).values())
    assert set(standings(query)) == accepted, "a job is lost, or one that nobody enqueued is there"
    told = Counter(query("SELECT job, epoch FROM jobhost_attempts"))
    assert not [end for end, times in told.items() if times > 1], "an attempt is told twice"
    stray = query(
        "SELECT job FROM jobhost_cancellation WHERE job NOT IN (SELECT job FROM jobhost_running)"
    )
    assert not stray, f"a cancel waits for a job that does not run: {stray}"


def _everywhere(columns: str) -> str:
    parts = [f"SELECT job, {state}, {columns} FROM {table}" for table, state in _HOMES.items()]
    return " UNION ALL ".join(parts)
