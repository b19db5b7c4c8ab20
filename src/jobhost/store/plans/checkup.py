"""What a checkup asks of every dialect: one statement each, for people and never for a worker."""

from typing import Final, NamedTuple

from jobhost.store.plan import Plan, Statement


def waiting_queues() -> Plan[list[str]]:
    """The queues in which jobs are ready."""
    found = yield Statement("waiting_queues")
    return [queue for (queue,) in found.rows]


def blocked_tasks() -> Plan[list[tuple[str, int]]]:
    """Tasks of which jobs are set aside, with how many; most first."""
    found = yield Statement("blocked_tasks")
    return [(task, count) for task, count in found.rows]


LOOP_DEATHS: Final = 5
"""Workers of one node that die within LOOP_WITHIN_US: no chance brings that about."""

LOOP_WITHIN_US: Final = 600_000_000


class Suspects(NamedTuple):
    """Jobs of one task that wait to run alone; `untried` of them never ran: they wait because their
    task is set aside as a whole."""

    task: str
    jobs: int
    untried: int


class CrashLoop(NamedTuple):
    """A node whose workers die one after the other: how many lately, and the last one's end."""

    node: str
    deaths: int
    last: str


def blocked_suspects() -> Plan[list[Suspects]]:
    """Jobs that wait to run alone, by task; most first."""
    found = yield Statement("blocked_suspects")
    return [Suspects._make(row) for row in found.rows]


def served_tasks() -> Plan[frozenset[str]]:
    """The tasks that some worker knows whose lease is live."""
    found = yield Statement("served_tasks")
    return frozenset(task for (task,) in found.rows)


def crash_loops() -> Plan[list[CrashLoop]]:
    """Living nodes whose workers die again and again; most deaths first."""
    params = {"within_us": LOOP_WITHIN_US, "deaths": LOOP_DEATHS}
    found = yield Statement("crash_loops", params)
    return [CrashLoop(f"{host}:{pid}", deaths, last) for host, pid, deaths, last in found.rows]


def next_due() -> Plan[int | None]:
    """Microseconds until the next scheduled job is due, negative when it has been; None without."""
    found = yield Statement("next_due")
    due_in_us: int | None = found.rows[0][0]
    return due_in_us
