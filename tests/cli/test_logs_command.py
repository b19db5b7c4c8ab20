"""`jobhost jobs logs`, and the progress of a job on the command line."""

import json
import logging

import pytest
from commands import Call, Shop, until

from jobhost import ItemReport, Retry, current_job, each

log = logging.getLogger("shop")
ESCAPE = "\x1b]0;owned\x07"


@pytest.fixture
def worked(shop: Shop) -> str:
    """The id of a job that has said much."""

    @shop.host.task(retry=Retry(first_delay="0s"))
    def say() -> ItemReport:
        log.warning("attempt %d%s", current_job().delivery, ESCAPE)
        if current_job().delivery == 1:
            log.error("two\nlines")
            raise ValueError("again")

        def handle(number: int) -> None:
            if number == 3:
                raise ValueError(f"no {number}{ESCAPE}")

        return each(range(5), handle)

    job = say.enqueue()
    shop.host.worker(burst=True).run()
    return str(job.id)


def test_a_log_is_shown_attempt_by_attempt_and_obeyed_by_no_terminal(
    worked: str, call: Call
) -> None:
    done = call("jobs", "logs", worked)
    assert (done.code, done.err) == (0, "")
    first, second, more, headline, last = done.out.splitlines()
    assert first.endswith("Z WARNING shop: attempt 1\ufffd]0;owned\ufffd")
    assert second.endswith("Z ERROR shop: two")
    assert (more, headline) == ("    lines", "attempt 2:")
    assert last.endswith("Z WARNING shop: attempt 2\ufffd]0;owned\ufffd")


def test_a_log_as_json_is_one_object_a_line(worked: str, call: Call) -> None:
    done = call("jobs", "logs", worked, "--json")
    lines = [json.loads(line) for line in done.out.splitlines()]
    keys = {"epoch", "line", "written_at", "level", "source", "message", "left_out"}
    assert {frozenset(line) for line in lines} == {frozenset(keys)}
    assert [(line["epoch"], line["level"]) for line in lines] == [
        (1, "WARNING"), (1, "ERROR"), (2, "WARNING"),
    ]  # fmt: skip


def test_a_job_that_logged_nothing_says_so_and_an_unknown_one_is_none(
    shop: Shop, call: Call
) -> None:
    job_id = shop.enqueue("add", "[1]")
    done = call("jobs", "logs", job_id)
    assert (done.code, done.out) == (0, "")
    assert f"job {job_id} has logged nothing" in done.err
    unknown = call("jobs", "logs", "0190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10")
    assert unknown.code != 0
    assert "there is no job" in unknown.err


def test_a_log_is_followed_until_the_job_has_ended(shop: Shop) -> None:
    go = shop.folder / "go"
    script = f"echo one; until test -e {go}; do sleep 0.05; done; echo two"
    command = shop.host.command("say", ["sh", "-c", script])
    job_id = str(command.enqueue().id)
    following = shop.start("jobs", "logs", job_id, "--follow", "--json", "--url", shop.url)
    with shop.host.worker():
        until(lambda: "one" in following.said)
        go.touch()
        done = following.wait()
    assert done.code == 0
    told = [json.loads(line)["message"] for line in done.out.splitlines()]
    assert told == ["one", "two"]


@pytest.mark.requirement("R-JOB-10")
def test_show_has_the_progress_and_the_items_that_failed(worked: str, call: Call) -> None:
    done = call("jobs", "show", worked)
    assert "5 of 5 (100%): 1 failed" in done.out
    assert "items: completed with errors: 1 of 5 items failed" in done.out
    assert "    3: ValueError: no 3\ufffd]0;owned\ufffd" in done.out
    told = json.loads(call("jobs", "show", worked, "--json").out)["progress"]
    assert (told["done"], told["total"], told["items"]["failed"]) == (5, 5, 1)


def test_show_as_json_has_the_key_also_where_nothing_was_told(shop: Shop, call: Call) -> None:
    job_id = shop.enqueue("add", "[1]")
    assert json.loads(call("jobs", "show", job_id, "--json").out)["progress"] is None
    assert "progress" not in call("jobs", "show", job_id).out


def test_a_worker_keeps_of_the_logs_what_its_option_says(shop: Shop) -> None:
    shop.host.command("say", ["sh", "-c", "echo out; echo err >&2"])
    (shop.folder / "speak.py").write_text(
        "from jobhost import JobHost\n"
        f"host = JobHost({shop.url!r})\n"
        "say = host.command('say', ['sh', '-c', 'echo out; echo err >&2'])\n"
    )
    kept = []
    for level in ("info", "error", "off"):
        job = shop.host.tasks.get("say").enqueue()
        done = shop.call("worker", "speak:host", "--burst", "--job-logs", level)
        assert done.code == 0, done.err
        kept.append(sorted(line.message for line in job.logs()))
    assert kept == [["err", "out"], ["err"], []]
