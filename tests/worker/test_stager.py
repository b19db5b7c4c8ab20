"""When to look for due jobs."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from jobhost import JobHost
from jobhost.events import Events
from jobhost.worker.stager import Stager

PASS_SECONDS = 1.0
NOW = 100.0


@pytest.fixture
def stager(host: JobHost) -> Iterator[Stager]:
    """Its clock stands still."""
    with closing(host.store.session()) as session:
        yield Stager(
            session, ["default"], Events(), pass_seconds=PASS_SECONDS, monotonic=lambda: NOW
        )


def test_a_job_that_this_worker_rescheduled_is_due_on_its_time_and_not_at_the_next_pass(stager):
    stager.run_once()
    assert stager.due == NOW + PASS_SECONDS

    stager.expect(0.25)
    assert stager.due == NOW + 0.25
    stager.expect(3600)
    assert stager.due == NOW + 0.25


def test_the_next_pass_is_when_the_next_job_is_due(host, stager):
    @host.task
    def hello() -> None: ...

    hello.using(delay="500ms").enqueue()
    stager.run_once()

    assert NOW <= stager.due <= NOW + 0.5


def test_rings_in_a_row_do_not_cost_a_pass_each(stager):
    stager.run_once()
    stager.hurry()

    assert NOW < stager.due < NOW + PASS_SECONDS
