"""Queues that are paused and resumed under workers, in this process and in others."""

import asyncio

import pytest

from jobhost import State
from jobhost.cli.run import accept_and_claim

pytestmark = pytest.mark.stores("sqlite", "postgres")

LEASE = "12s"


def test_a_burst_worker_does_not_wait_for_a_paused_queue(host):
    @host.task
    def work() -> None: ...

    waiting = work.enqueue()
    other = work.using(queue="other").enqueue()
    host.queue("default").pause("not now")

    assert host.worker(burst=True, queues=["default", "other"]).run().ended == 1

    assert other.status().state is State.SUCCEEDED
    assert waiting.status().state is State.READY
    host.queue("default").resume()
    assert host.worker(burst=True).run().ended == 1
    assert waiting.status().state is State.SUCCEEDED


def test_a_job_that_is_run_here_and_now_waits_with_its_paused_queue(host):
    @host.task
    def work() -> None: ...

    host.queue("default").pause()
    job, batch = work.using().prepare()

    report = host.worker(burst=True, concurrency=1).run(
        first=lambda node: accept_and_claim(host.store, batch, node)
    )

    assert report.ended == 0
    assert job.status().state is State.READY


def test_a_running_worker_obeys_a_pause_from_another_process_and_a_resume_wakes_it(yard):
    worker = yard.start(concurrency=2, lease=LEASE)
    held = yard.chores.hold.enqueue("held")
    yard.started("held")

    assert yard.host.queue("default").pause("look into it")
    waiting = [yard.chores.note.enqueue(f"waiting-{number}") for number in range(3)]
    beside = yard.chores.hold.using(queue="default").enqueue("beside")
    yard.go("held")
    assert held.result(timeout="60s").startswith("by ")
    assert [job.status().deliveries for job in (*waiting, beside)] == [0] * 4

    assert yard.host.queue("default").resume()
    yard.started(*(f"waiting-{number}" for number in range(3)), "beside")
    yard.go("beside")
    assert beside.result(timeout="60s").startswith("by ")
    assert worker.lives


def test_async_callers_have_the_same_words(host):
    async def all_of_it() -> None:
        mail = host.queue("mail")
        assert await mail.apause("because")
        assert (await mail.asettings()).pause_reason == "because"
        await mail.aset(objective="3s")
        assert (await mail.astats()).settings.objective is not None
        assert [queue.name for queue in await host.aqueues()] == ["mail"]
        assert await mail.aresume()
        assert not await mail.aresume()

    asyncio.run(all_of_it())


@pytest.mark.requirement("R-PART-3")
def test_workers_tell_how_fast_jobs_come_and_go(yard, until):
    yard.start(concurrency=2, lease="6s")

    def told():
        """After another job, since what is older than a minute is not told."""
        yard.chores.note.enqueue("again").result(timeout="60s")
        flow = yard.host.queue("default").stats().flow
        return flow if flow.succeeded else None

    flow = until(told)
    assert flow.started > 0
    assert flow.failed == 0


def test_what_a_program_says_of_a_queue_is_stored_when_its_worker_starts(host):
    @host.task
    def work() -> None: ...

    mail = host.queue("mail", objective="30s", capacity=50, priority=7)
    assert mail.settings().objective is None

    host.worker(burst=True).run()

    settings = mail.settings()
    assert settings.capacity == 50
    assert settings.objective is not None
    assert settings.objective.total_seconds() == 30
