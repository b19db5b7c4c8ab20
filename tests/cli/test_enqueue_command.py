"""`jobhost enqueue --wait`: the result, or how else the job ended."""

import json
import signal

import pytest
from commands import Running, Shop, until


def enqueue_and_wait(shop: Shop, task: str, arguments: str = "[]") -> tuple[Running, str]:
    """A command that waits, and the id of its job once that is accepted."""
    shop.host.migrate()
    waiting = shop.start("enqueue", "shop:host", task, "--args", arguments, "--wait")
    return waiting, str(until(shop.host.jobs)[0].id)


def test_wait_prints_the_result_and_nothing_else(shop: Shop) -> None:
    waiting, _ = enqueue_and_wait(shop, "echo", json.dumps(["grün \u009b31m"]))
    shop.call("worker", "shop:host", "--burst")
    done = waiting.wait()
    assert done.code == 0, done.err
    assert json.loads(done.out) == "grün \u009b31m"
    assert "\u009b" not in done.out


@pytest.mark.parametrize(
    ("task", "code", "part"),
    [("drop", 5, "is cancelled: nobody needs it"), ("odd", 0, "cannot be stored")],
)
def test_wait_ends_as_the_job_ends(shop: Shop, task: str, code: int, part: str) -> None:
    waiting, job_id = enqueue_and_wait(shop, task)
    shop.call("worker", "shop:host", "--burst")
    done = waiting.wait()
    assert (done.code, done.out) == (code, "")
    assert part in done.err.splitlines()[-1]
    assert f"see 'jobhost jobs show {job_id} --url {shop.url}'" in done.err


def test_wait_for_a_dead_job_exits_with_1(shop: Shop) -> None:
    waiting, _ = enqueue_and_wait(shop, "stuck", json.dumps([str(shop.folder)]))
    shop.call("worker", "shop:host", "--burst", "--cancel-grace", "50ms")
    done = waiting.wait()
    assert (done.code, done.out) == (1, "")
    assert "is dead: timed out" in done.err


def test_wait_gives_up_at_its_timeout_and_the_job_goes_on(shop: Shop) -> None:
    done = shop.call("enqueue", "shop:host", "add", "--args", "[1]", "--wait", "--timeout", "10ms")
    assert (done.code, done.out) == (6, "")
    assert "had not ended after 10ms; it goes on; see 'jobhost jobs show" in done.err
    assert [job.state for job in shop.host.jobs()] == ["ready"]


def test_an_interrupted_wait_says_so_and_the_job_goes_on(shop: Shop) -> None:
    waiting, job_id = enqueue_and_wait(shop, "add", "[1]")
    waiting.signal(signal.SIGINT)
    done = waiting.wait()
    assert (done.code, done.out) == (130, "")
    assert "jobhost: interrupted" in done.err
    assert "Traceback" not in done.err
    assert shop.state(job_id) == "ready"


def test_what_the_module_prints_at_import_goes_to_stderr(shop: Shop) -> None:
    done = shop.call("enqueue", "shop:host", "add", "--args", "[1]")
    assert done.err == "shop was imported\n"
    assert len(done.out.split()) == 1
