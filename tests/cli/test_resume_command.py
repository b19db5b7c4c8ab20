"""`jobhost jobs resume`, and tasks that are called by a former name."""

import json
from pathlib import Path

import pytest
from commands import Call, Shop

PROGRAM = """
from jobhost import Defer, JobHost, current_job

host = JobHost("sqlite:///shop.db")


@host.task(aliases=["old_pay"])
def pay() -> str:
    if current_job().delivery == 1:
        raise Defer("waiting for the invoice")
    return current_job().task
"""


@pytest.fixture(autouse=True)
def _program(shop: Shop) -> None:
    Path(shop.folder, "billing.py").write_text(PROGRAM)


def deferred(shop: Shop) -> dict[str, object]:
    shop.host.migrate()
    done = shop.call("run", "billing:host", "pay")
    assert done.code == 6
    assert "its own task has set it aside" in done.err
    assert "jobs resume" in done.err
    (job,) = shop.host.jobs()
    return job.to_json()


@pytest.mark.parametrize("by", ["id", "number"])
def test_a_deferred_job_is_listed_with_its_reason_and_resumed(
    shop: Shop, call: Call, by: str
) -> None:
    job = deferred(shop)
    listed = call("jobs", "list", "--state", "blocked")
    assert "waiting for the invoice" in listed.out
    shown = call("jobs", "show", str(job["id"]))
    assert f"number       {job['number']}" in shown.out
    assert json.loads(call("jobs", "show", str(job["id"]), "--json").out)["number"] == job["number"]
    assert "jobs resume" in call("jobs", "explain", str(job["id"])).out
    done = call("jobs", "resume", str(job[by]))
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{job[by]} is ready again")
    assert shop.state(str(job["id"])) == "ready"
    again = call("jobs", "resume", str(job[by]))
    assert again.code == 2
    assert "only deferred jobs can be resumed" in again.err


def test_what_is_no_job_is_told_and_the_others_go_on(shop: Shop, call: Call) -> None:
    job = deferred(shop)
    done = call("jobs", "resume", "999999", str(job["number"]))
    assert done.code != 0
    assert "no job with the number 999999" in done.err
    assert "is ready again" in done.out
    assert call("jobs", "resume", "x").code == 2


def test_a_former_name_finds_the_task_and_the_present_name_is_told(shop: Shop, call: Call) -> None:
    shop.host.migrate()
    done = call("enqueue", "billing:host", "old_pay")
    assert done.code == 0
    assert "task 'old_pay' is named 'pay' now" in done.err
    assert shop.host.job(done.out.splitlines()[-1]).status().task == "pay"
