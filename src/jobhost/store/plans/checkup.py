"""What a checkup asks of every dialect: one statement each, for people and never for a worker."""

from jobhost.store.plan import Plan, Statement


def waiting_queues() -> Plan[list[str]]:
    """The queues in which jobs are ready."""
    found = yield Statement("waiting_queues")
    return [queue for (queue,) in found.rows]


def blocked_tasks() -> Plan[list[tuple[str, int]]]:
    """Tasks of which jobs are set aside, with how many; most first."""
    found = yield Statement("blocked_tasks")
    return [(task, count) for task, count in found.rows]


def next_due() -> Plan[int | None]:
    """Microseconds until the next scheduled job is due, negative when it has been; None without."""
    found = yield Statement("next_due")
    due_in_us: int | None = found.rows[0][0]
    return due_in_us
