"""Long jobs whose process is killed go on from what they kept."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from outside_world import ProgramWorker
from programs import long_ones

from jobhost import JobHost

pytestmark = pytest.mark.stores("sqlite", "postgres")
PATIENCE = "60s"


@pytest.fixture
def host(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobHost]:
    """The host of the tasks, on a store of the test's own."""
    monkeypatch.setenv("JOBHOST_URL", url)
    long_ones.host.use_store(url)
    long_ones.host.migrate()
    yield long_ones.host
    long_ones.host.close()


def did(file: Path, delivery: int) -> list[int]:
    """The numbers that a delivery wrote down, in order."""
    lines = [line.split() for line in file.read_text().splitlines()]
    return [int(number) for told, number in lines if int(told) == delivery]


def run_twice(host: JobHost) -> None:
    """A worker that is killed by its job, and another one."""
    for _ in range(2):
        worker = ProgramWorker("long_ones:host", host.address, "--lease", "10s", "--burst")
        try:
            worker.wait()
        finally:
            worker.end()


@pytest.mark.requirement("R-RESIL-2")
@pytest.mark.parametrize("task", [long_ones.steps, long_ones.steps_async], ids=["plain", "async"])
def test_a_job_killed_at_step_57_goes_on_at_its_checkpoint_of_step_50(host, tmp_path, task):
    file = tmp_path / "steps"
    job = task.enqueue(file, 57)
    run_twice(host)
    assert did(file, 1) == list(range(1, 58))
    assert job.result(PATIENCE) == 50
    assert did(file, 2) == list(range(51, 101))
    assert job.status().crashes <= 1


@pytest.mark.requirement("R-RESIL-2")
def test_a_job_whose_own_process_is_killed_goes_on_at_its_checkpoint(host, working, tmp_path):
    file = tmp_path / "steps"
    job = long_ones.steps_apart.enqueue(file, 57)
    with working(host.worker()):
        assert job.result(PATIENCE) == 50
    assert (did(file, 1), did(file, 2)) == (list(range(1, 58)), list(range(51, 101)))
    assert job.status().progress.done == 100


@pytest.mark.requirement("R-RESIL-3")
def test_the_state_in_the_arguments_is_what_the_next_delivery_sees(host, tmp_path):
    file = tmp_path / "left"
    job = long_ones.shrinking.enqueue(file, [1, 2, 3, 4])
    run_twice(host)
    assert job.result(PATIENCE) == [3, 4]
    assert (did(file, 1), did(file, 2)) == ([1, 2, 3], [3, 4])


@pytest.mark.requirement("R-JOB-10")
def test_a_batch_that_is_killed_goes_on_and_reports_all_its_bad_items(host, tmp_path):
    file = tmp_path / "items"
    job = long_ones.batch.enqueue(file, 750)
    run_twice(host)
    report = job.result(PATIENCE)
    assert (did(file, 1), did(file, 2)) == (list(range(751)), list(range(700, 1000)))
    assert report.verdict == "completed with errors: 3 of 1,000 items failed"
    assert [failure.item for failure in report.failures] == ["5", "500", "995"]
    assert report.failures[0].error == "ValueError: no 5"
    progress = job.status().progress
    assert (progress.done, progress.total, progress.items) == (1000, 1000, report)
