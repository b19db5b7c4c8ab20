"""What the tests of a move share: a store with everything in it, and ways to compare two."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from postgres_server import ask

from jobhost.jobs.outcomes import Crashed, Deferred, ErrorInfo, Snoozed
from jobhost.jobs.records import JobRecord
from jobhost.jobs.retries import Retry
from jobhost.jobs.states import State
from jobhost.store.move import mover
from jobhost.store.move.source import Source
from jobhost.store.move.tables import TABLES
from jobhost.store.move.target import Target
from jobhost.store.plans.nodes import Kind
from jobhost.store.plans.operate import drain

from ..conservation import Query
from ..world import FAILED, World, ended

PATIENT = Retry(max_attempts=5, first_delay="1h")
ODD = "tab\t line\n return\r back\\slash \\N 'quote' \"x\" é ⅷ 🦊 \x01 \x0b"


def move(here: World, there: World) -> mover.MoveReport:
    return mover.move(Source(here.store), Target(there.store), lambda phase, rows: None)


def undo(here: World, there: World) -> None:
    mover.undo(Source(here.store), Target(there.store))


def fill(world: World) -> None:
    """Jobs in every state and on every way into it, with histories, suspects and dead workers."""
    _make_suspects(world)
    work = world.node(lease=timedelta(hours=2))
    done = dict.fromkeys(world.enqueue(6, priority=5))
    first, second, third, fourth, fifth, sixth = world.claim(work)
    crash = Crashed(
        error=ErrorInfo(type="WorkerLost", message="died"), proven=True, lost_deliveries=1
    )
    world.cycle(
        work,
        ended(first),
        ended(second, FAILED, retry=Retry(max_attempts=1)),
        ended(third, FAILED, retry=PATIENT),
        ended(fourth, Snoozed(delay_seconds=3600)),
        ended(fifth, crash),
        ended(sixth, FAILED, retry=Retry(max_attempts=1)),
    )
    world.redrive(list(done)[5])
    (aside,) = world.enqueue(priority=6)
    (taken,) = world.claim(work, slots=1)
    assert taken.id == aside
    world.cycle(work, ended(taken, Deferred(reason=ODD)))
    world.enqueue(2, delay_us=7_200_000_000)
    world.enqueue(3, run_at=world.clock.now())
    world.stage()
    world.enqueue(2, task="nobody knows it")
    world.stage()
    (parent,) = world.enqueue(queue="other", priority=-100)
    world.enqueue(2, parent=parent, priority=100)
    cancelled, asked, lost = world.enqueue(3, priority=90)
    world.cancel(cancelled, ODD)
    world.claim(work, slots=4)
    world.cancel(asked, ODD)
    assert world.state(lost) is State.RUNNING
    world.enqueue(5)
    world.enqueue(2, queue=ODD)
    world.move(hours=3)


def _make_suspects(world: World) -> None:
    """A node with vitals that was asked to stop, and what a dead worker of it left."""
    node = world.node(kind=Kind.NODE)
    dead = world.node(supervisor=node)
    world.pulse(node, '{"memory": 1}')
    world.write(lambda: drain(node))
    world.enqueue(2, task="kills")
    world.claim(dead, slots=2, tasks=("kills",))
    assert world.rescue(dead, node, own_doing=True).aside == 2


def everything(world: World) -> list[tuple[JobRecord, Any]]:
    """All jobs in the order of their numbers, as readers see them, with their attempts."""
    jobs = world.list_jobs(limit=1000).jobs
    return [(job, world.attempts(job.id.bytes)) for job in jobs]


def rows_there(schema: str) -> dict[str, int]:
    return {
        table.name: ask(f'SELECT count(*) FROM "{schema}".{table.name}')[0][0] for table in TABLES
    }


def query_there(schema: str) -> Query:
    def query(sql: str) -> list[tuple[Any, ...]]:
        rows = ask(sql.replace("jobhost_", f"{schema}."))
        return [tuple(v.bytes if isinstance(v, UUID) else v for v in row) for row in rows]

    return query
