"""Two thousand jobs, three workers, ten kills: the books balance.

Kills are driven by how far the work has come, not by time, so that the same seed kills at
the same places whatever the machine.
"""

import random
import threading

import pytest

from jobhost import State

JOBS = 2_000
KILLS = 10
SLOTS = 8


@pytest.mark.stores("sqlite", "postgres")
@pytest.mark.requirement("R-MSG-14")
@pytest.mark.requirement("R-RES-5")
@pytest.mark.timeout(900)
def test_two_thousand_jobs_survive_ten_kills_each_done_once_in_the_store(yard, until):
    dice = random.Random(20)
    names = [f"job-{n}" for n in range(JOBS)]
    jobs = yard.chores.note.enqueue_many([(name,) for name in names])
    workers = [yard.start(concurrency=SLOTS, lease="10m") for _ in range(3)]
    over, without_result = threading.Event(), []

    def read_all_the_time() -> None:
        while not over.is_set():
            records = yard.host.jobs(state=State.SUCCEEDED, limit=200)
            without_result.extend(record.id for record in records if record.result is None)

    reader = threading.Thread(target=read_all_the_time)
    reader.start()
    try:
        for mark in sorted(dice.sample(range(20, JOBS - 200), KILLS)):
            until(lambda mark=mark: len(yard.ledger.names("end")) >= mark, f"{mark} have ended")
            victim = dice.randrange(3)
            workers[victim].kill()
            workers[victim] = yard.start(concurrency=SLOTS, lease="10m")
        results = [job.result("60s") for job in jobs]
    finally:
        over.set()
        reader.join()

    assert results == names
    assert not without_result
    starts, crashed = yard.ledger.count("start"), 0
    for name, job in zip(names, jobs, strict=True):
        outcomes = [attempt.outcome for attempt in job.attempts()]
        assert outcomes == ["crashed"] * (len(outcomes) - 1) + ["succeeded"]
        assert 1 <= starts[name] <= len(outcomes) == job.status().deliveries
        crashed += len(outcomes) - 1
    assert sum(starts.values()) - JOBS <= crashed <= KILLS * SLOTS
    assert not yard.host.jobs(state=State.RUNNING)
