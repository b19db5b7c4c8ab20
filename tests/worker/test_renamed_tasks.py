"""Tasks under new names and with newer arguments, beside jobs and workers of the old ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from programs import outside

from jobhost import JobDead, JobHost, Retry, State, current_job
from jobhost.events import AttemptFailed, Events, JobTooNew
from jobhost.jobs.explain import Cause
from jobhost.store.plans.look_nodes import list_nodes
from jobhost.worker.config import worker_config
from jobhost.worker.worker import Worker

pytestmark = pytest.mark.stores("sqlite", "postgres")
PATIENCE = "20s"
"""Only ends a test that hangs."""


@pytest.fixture
def later(host: JobHost, url: str) -> Iterator[JobHost]:
    """The next release of the program, on the same store."""
    with JobHost(url) as made:
        yield made


@contextmanager
def outside_host(url: str) -> Iterator[JobHost]:
    outside.host.use_store(url)
    yield outside.host
    outside.host.close()


def listening(host: JobHost, seen: list[Any]) -> Worker:
    events = Events()
    for kind in (JobTooNew, AttemptFailed):
        events.subscribe(kind, seen.append)
    return Worker(host.tasks, host._wiring, worker_config({}), events)


def test_jobs_under_a_former_name_run_with_the_policies_of_the_task(host, later, working):
    @host.task(name="mail")
    def old_mail(to: str) -> str:
        raise AssertionError("no worker of this release runs")

    seen: list[Any] = []

    @later.task(name="deliver", aliases=["mail"], retry=Retry(max_attempts=1))
    def deliver(to: str) -> str:
        if to == "nobody":
            raise ValueError(to)
        return f"{current_job().task} to {to}"

    job, doomed = old_mail.enqueue("you"), old_mail.enqueue("nobody")
    with working(listening(later, seen)):
        assert job.result(PATIENCE) == "mail to you"
        with pytest.raises(JobDead, match=r"\(mail\) is dead: failed: ValueError"):
            doomed.result(PATIENCE)
    assert job.status().task == "mail"
    assert [(event.job, event.task) for event in seen] == [(doomed.id, "mail")]
    assert [job.task for job in later.jobs(task="mail")] == ["mail", "mail"]


def test_jobs_that_were_set_aside_come_back_when_the_name_is_an_alias(host, later, working, until):
    @host.task
    def old_name() -> str:
        raise AssertionError("no worker of this release runs")

    @host.task(name="another")
    def another() -> None: ...

    @later.task(aliases=["old_name"])
    def new_name() -> str:
        return "done"

    job = old_name.enqueue()
    with JobHost(host.address) as stranger:
        stranger.task(name="another")(lambda: None)
        with working(stranger.worker()):
            until(lambda: job.status().state is State.BLOCKED)
    with working(later.worker(poll="50ms")):
        assert job.result(PATIENCE) == "done"
        (known,) = [node.tasks for node in later.store.read(list_nodes) if node.lease_live]
        assert known == ("new_name", "old_name")


def test_old_and_new_workers_side_by_side_each_run_what_they_know(host, later, working):
    @host.task(name="old")
    def old() -> str:
        return "old program"

    @later.task(name="new", aliases=["old"])
    def new() -> str:
        return "new program"

    with working(host.worker()), working(later.worker()):
        olds, news = old.enqueue_many([()] * 20), new.enqueue_many([()] * 20)
        assert {job.result(PATIENCE) for job in news} == {"new program"}
        assert {job.result(PATIENCE) for job in olds} <= {"old program", "new program"}


def test_a_task_in_a_process_of_its_own_has_former_names_and_upgrades_too(
    url, host, working, monkeypatch
):
    monkeypatch.setenv("JOBHOST_URL", url)

    @host.task(name="shout_once")
    def shout_once(word: str) -> str:
        raise AssertionError("no worker of this release runs")

    job = shout_once.enqueue("hey")
    with outside_host(url) as program, working(program.worker()):
        assert job.result(PATIENCE) == "shout_once: hey hey"


def test_a_command_has_former_names(host, later, working):
    old = host.command("say", ["echo", "{word}"])
    later.command("speak", ["echo", "new", "{word}"], aliases=["say"])
    job = old.enqueue(word="hey")
    with working(later.worker()):
        assert job.result(PATIENCE)["stdout"] == "new hey\n"


def declare_versions(host: JobHost, later: JobHost) -> tuple[Any, Any]:
    """A task whose size was a text and is a number now."""

    @host.task(name="resize")
    def first(size: str) -> str:
        return f"old {size}"

    def upgrade(arguments: dict[str, Any], version: int) -> dict[str, Any]:
        assert version == 1
        return {"width": int(arguments["size"].removesuffix("px"))}

    @later.task(name="resize", version=2, upgrade=upgrade)
    def second(width: int) -> str:
        return f"new {width}"

    return first, second


def test_older_arguments_are_upgraded_and_present_ones_left_alone(host, later, working):
    first, second = declare_versions(host, later)
    old, new = first.enqueue("80px"), second.enqueue(90)
    with working(later.worker()):
        assert (old.result(PATIENCE), new.result(PATIENCE)) == ("new 80", "new 90")
    assert old.status().payload == '{"size":"80px"}', "what was accepted stays"


def test_an_old_worker_leaves_newer_jobs_to_newer_ones_and_nothing_is_charged(
    host, later, working, until
):
    first, second = declare_versions(host, later)
    told: list[JobTooNew] = []
    with working(listening(host, told)):
        new, old = second.enqueue(90), first.enqueue("80px")
        assert old.result(PATIENCE) == "old 80px"
        until(new.attempts, "the old worker has had it in its hands")
    record, why = new.status(), new.attempts()[0]
    assert (record.state, record.failures) == (State.SCHEDULED, 0)
    assert (why.outcome, why.error.type) == ("too new", "TooNew")
    assert why.error.message == "its arguments are of version 2, this worker knows 1"
    assert (told[0].version, told[0].known, len(told)) == (2, 1, 1)
    with working(later.worker()):
        assert new.explain().cause in (Cause.TOO_NEW, Cause.NEXT, Cause.RUNNING, Cause.SUCCEEDED)
        assert new.result(PATIENCE) == "new 90"
    assert new.status().failures == 0


@pytest.mark.requirement("R-PART-10")
def test_a_worker_leaves_jobs_with_an_argument_that_it_does_not_know_to_newer_ones(
    host, later, working, until
):
    @host.task(name="shrink")
    def first(name: str) -> str:
        return f"old {name}"

    @later.task(name="shrink")
    def second(name: str, width: int = 80) -> str:
        return f"new {name} {width}"

    job, plain = second.enqueue("cat", width=90), first.enqueue("dog")
    with working(host.worker()):
        assert plain.result(PATIENCE) == "old dog"
        until(job.attempts, "the old worker has had it in its hands")
    (why, *_), record = job.attempts(), job.status()
    assert (record.state, record.failures) == (State.SCHEDULED, 0)
    assert (why.outcome, why.error.type) == ("too new", "jobhost.errors.UnknownArgument")
    assert "'width' is not a parameter" in why.error.message
    with working(later.worker()):
        assert job.result(PATIENCE) == "new cat 90"


def test_arguments_that_cannot_be_upgraded_are_a_dead_letter_that_a_mended_upgrade_takes(
    host, later, working
):
    first, _ = declare_versions(host, later)
    job = first.enqueue("wide")
    with working(later.worker()), pytest.raises(JobDead, match="arguments cannot be upgraded"):
        job.result(PATIENCE)
    record = job.status()
    assert record.reason == "its arguments cannot be upgraded"
    assert record.error.type == "ValueError"
    assert "wide" in record.error.message
    job.redrive({"size": "70px"})
    with working(later.worker()):
        assert job.result(PATIENCE) == "new 70", "edited arguments are of the job's version"


def test_an_upgraded_payload_that_does_not_fit_is_told_like_any_other(host, later, working):
    @host.task(name="resize")
    def first(size: str) -> None: ...

    @later.task(name="resize", version=2, upgrade=lambda arguments, version: {"height": 1})
    def second(width: int) -> None: ...

    job = first.enqueue("80px")
    with working(later.worker()), pytest.raises(JobDead, match="the arguments cannot be read"):
        job.result(PATIENCE)


def test_arguments_that_a_newer_program_replaces_are_not_upgraded_again(host, later, working):
    @host.task(name="walk")
    def first(at: str) -> int:
        raise AssertionError("no worker of this release runs")

    @later.task(
        name="walk",
        version=2,
        upgrade=lambda arguments, version: {"step": int(arguments["at"])},
        retry=Retry(max_attempts=2, first_delay="0s"),
    )
    def second(step: int) -> int:
        if step == 5:
            current_job().update_payload(step=6)
            raise ValueError("once more")
        return step

    job = first.using(tags=["kept"]).enqueue("5")
    with working(later.worker()):
        assert job.result(PATIENCE) == 6
    envelope = job.status().envelope
    assert (envelope.version, envelope.tags) == (2, ("kept",))
