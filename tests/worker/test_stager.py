"""When to look for due jobs."""

from contextlib import closing

from jobhost.events import Events
from jobhost.worker.stager import Stager

PASS_SECONDS = 1.0


def test_a_job_that_this_worker_rescheduled_is_due_on_its_time_and_not_at_the_next_pass(host):
    now = [100.0]
    with closing(host.store.session()) as session:
        stager = Stager(
            session, ["default"], Events(), pass_seconds=PASS_SECONDS, monotonic=lambda: now[0]
        )
        stager.run_once()
        assert stager.seconds_left() == PASS_SECONDS

        stager.expect(0.25)
        assert stager.seconds_left() == 0.25
        stager.expect(3600)
        assert stager.seconds_left() == 0.25


def test_the_next_pass_is_when_the_next_job_is_due(host):
    @host.task
    def hello() -> None: ...

    hello.using(delay="500ms").enqueue()
    with closing(host.store.session()) as session:
        stager = Stager(
            session, ["default"], Events(), pass_seconds=PASS_SECONDS, monotonic=lambda: 100.0
        )
        stager.run_once()

    assert 0 <= stager.seconds_left() <= 0.5


def test_rings_in_a_row_do_not_cost_a_pass_each(host):
    now = [100.0]
    with closing(host.store.session()) as session:
        stager = Stager(
            session, ["default"], Events(), pass_seconds=PASS_SECONDS, monotonic=lambda: now[0]
        )
        stager.run_once()
        stager.hurry()

    assert 0 < stager.seconds_left() < PASS_SECONDS
