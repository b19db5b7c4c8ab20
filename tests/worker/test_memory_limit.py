"""A limit of memory for jobs in processes."""

import sys
from collections.abc import Iterator

import pytest
from outside_world import below
from programs import outside

from jobhost import JobDead, JobHost
from jobhost.worker.memory import BeyondLimitError, beyond_limit, limited

pytestmark = [
    pytest.mark.stores("sqlite", "postgres"),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds such a limit"),
]
PATIENCE = "60s"


@pytest.fixture
def host(url: str) -> Iterator[JobHost]:
    outside.host.use_store(url)
    outside.host.migrate()
    yield outside.host
    outside.host.close()
    assert below() == []


def test_a_job_that_stays_below_its_limit_succeeds(host, working):
    job = outside.take.enqueue(50_000_000)
    with working(host.worker()):
        assert job.result(PATIENCE) == 50_000_000


def test_a_job_that_asks_for_more_fails_with_the_numbers(host, working):
    job = outside.take.enqueue(400_000_000)
    with working(host.worker()), pytest.raises(JobDead, match="failed: MemoryLimit"):
        job.result(PATIENCE)

    (attempt,) = job.attempts()
    assert attempt.outcome == "failed"
    assert attempt.error.type == "MemoryLimit"
    assert attempt.error.message.startswith("needed more than its limit of 200 MB: it held ")
    assert "bytearray(size)" in attempt.error.traceback


def test_many_small_pieces_count_and_a_rule_for_memory_errors_holds(host, working, tmp_path):
    job = outside.take_again_and_again.enqueue(tmp_path)
    with working(host.worker()), pytest.raises(JobDead):
        job.result(PATIENCE)

    assert [attempt.error.type for attempt in job.attempts()] == ["MemoryLimit"]


def test_the_limit_is_of_the_job_and_not_of_the_next_one(host, working):
    with working(host.worker(job_processes=1)):
        assert outside.take.enqueue(1_000).result(PATIENCE) == 1_000
        assert outside.take_freely.enqueue(400_000_000).result(PATIENCE) == 400_000_000


def test_a_job_with_a_limit_does_not_pay_for_what_other_tasks_have_left(host, working):
    with working(host.worker(job_processes=1)):
        other = outside.pid.enqueue().result(PATIENCE)
        first = outside.pid_with_limit.enqueue().result(PATIENCE)
        assert outside.pid_with_limit.enqueue().result(PATIENCE) == first

    assert first != other


@pytest.mark.stores("sqlite")
def test_a_limit_below_what_the_process_holds_anyway_is_told_as_that(store_kind):
    with pytest.raises(BeyondLimitError) as caught, limited(1_000_000):
        pass

    failed = beyond_limit(caught.value, 1_000_000)
    assert failed.error.message.startswith("its limit of 1.0 MB is less than the ")
    assert failed.names == ("builtins.MemoryLimit", "builtins.MemoryError")
