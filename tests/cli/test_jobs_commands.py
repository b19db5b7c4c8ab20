"""`jobhost migrate`, `enqueue` without waiting, and `jobs list | show | cancel | retry`."""

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from commands import GUARD_SECONDS, Call, Shop
from commands import until as wait_until

from jobhost import current_job

ESCAPE = "\x1b]0;owned\x07\x1b[31mred\u202e [bold]loud[/bold]"


def test_migrate_says_what_it_did_and_then_that_nothing_was_to_do(shop: Shop, call: Call) -> None:
    first, second = call("migrate"), call("migrate")
    assert (first.code, second.code) == (0, 0)
    assert "applied 0001_jobs_and_nodes" in first.out
    assert second.out == f"{shop.url}: nothing to do\n"


def test_enqueue_prints_the_id_of_a_job_that_says_what_started_it(shop: Shop, call: Call) -> None:
    done = call("enqueue", "shop:host", "add", "--args", '{"a": 1, "b": 2}')
    job = shop.host.job(done.out.splitlines()[-1]).status()
    assert done.code == 0
    assert json.loads(job.payload) == {"a": 1, "b": 2}
    assert job.envelope.trigger_detail == "command line"


def test_enqueue_takes_queue_priority_and_due_time(shop: Shop, call: Call) -> None:
    options = ["--queue", "mail", "--priority", "7", "--run-at", "2099-01-31T09:00:00+01:00"]
    done = call("enqueue", "shop:host", "add", "--args", "[1]", *options)
    job = shop.host.job(done.out.splitlines()[-1]).status()
    assert (job.queue, job.priority) == ("mail", 7)
    assert job.due_at == datetime(2099, 1, 31, 8, tzinfo=UTC)
    delayed = call("enqueue", "shop:host", "add", "--args", "[1]", "--delay", "10m")
    assert shop.state(delayed.out.splitlines()[-1]) == "scheduled"


def test_the_host_s_own_store_is_used_unless_another_is_named(shop: Shop) -> None:
    other = f"sqlite:///{shop.folder}/other.db"
    assert shop.call("enqueue", "shop:host", "add", "--args", "[1]").code == 0
    assert shop.call("enqueue", "shop:host", "add", "--args", "[2]", "--url", other).code == 0
    assert len(shop.host.jobs()) == 1
    listed = shop.call("jobs", "list", "--json", "--url", other)
    assert len(json.loads(listed.out)["jobs"]) == 1


def test_the_listing_as_json_has_stable_keys_and_pages(shop: Shop, call: Call) -> None:
    ids = [shop.enqueue("add", f"[{number}]") for number in range(5)]
    seen, before = [], []
    while True:
        done = call("jobs", "list", "--json", "--limit", "2", *before)
        page = json.loads(done.out)
        assert page.keys() == {"jobs", "next"}
        assert done.err == ""
        seen += [job["id"] for job in page["jobs"]]
        if page["next"] is None:
            break
        before = ["--before", str(page["next"])]
    assert seen == ids[::-1]
    assert {"id", "task", "queue", "state", "reason", "created_at", "due_at"} <= page["jobs"][
        0
    ].keys()


def test_an_empty_listing_is_still_json(call: Call) -> None:
    call("migrate")
    assert json.loads(call("jobs", "list", "--json").out) == {"jobs": [], "next": None}
    done = call("jobs", "list")
    assert (done.code, done.out, done.err) == (0, "", "jobhost: no such jobs\n")


def test_the_listing_follows_its_filters(shop: Shop, call: Call) -> None:
    wanted = shop.enqueue("delayed")
    shop.enqueue("add", "[1]")
    for option in (("--state", "scheduled"), ("--queue", "slow"), ("--task", "delayed")):
        jobs = json.loads(call("jobs", "list", "--json", *option).out)["jobs"]
        assert [job["id"] for job in jobs] == [wanted]
    assert json.loads(call("jobs", "list", "--json", "--state", "dead").out)["jobs"] == []


def test_a_piped_listing_is_plain_and_cuts_nothing(
    shop: Shop, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    job_id = shop.enqueue("add", "[1]")
    call("jobs", "cancel", job_id, "--reason", "a reason that is longer than " + "x" * 200)
    head, row = call("jobs", "list").out.splitlines()
    assert head.split() == ["id", "state", "task", "queue", "created", "reason"]
    assert row.split()[:3] == [job_id, "cancelled", "add"]
    assert row.endswith("x" * 200)
    assert row.isascii()


def test_a_listing_that_goes_on_says_how(shop: Shop, call: Call) -> None:
    for number in range(3):
        shop.enqueue("add", f"[{number}]")
    assert "go on with --before" in call("jobs", "list", "--limit", "2").err


def test_show_tells_everything(shop: Shop, call: Call) -> None:
    dead = shop.dead("it fell over")
    shown = call("jobs", "show", dead)
    assert shown.code == 0
    for part in (
        dead, "boom", "default, priority 0", "dead", "failed: ValueError",
        "1 delivery, 1 failure, 0 crashes",
        '"max_attempts": 1', '{"text":"it fell over"}',
        "attempt 1: failed", "ValueError: it fell over", "Traceback (most recent call last):",
        "raise ValueError(text)",
    ):  # fmt: skip
        assert part in shown.out, part


def test_show_as_json_tells_everything(shop: Shop, call: Call) -> None:
    dead = shop.dead("it fell over")
    shown = json.loads(call("jobs", "show", dead, "--json").out)
    (attempt,) = shown["attempts"]
    assert (shown["id"], shown["state"], shown["result"]) == (dead, "dead", None)
    assert shown["arguments"] == {"text": "it fell over"}
    assert shown["options"]["retry"]["max_attempts"] == 1
    assert (attempt["outcome"], attempt["error"]["message"]) == ("failed", "it fell over")
    assert "raise ValueError(text)" in attempt["error"]["traceback"]


def test_show_tells_the_keys_of_a_job(shop: Shop, call: Call) -> None:
    shop.host.migrate()
    add = shop.host.task(name="add", unique="sum-{a}")(lambda a: a)
    job = add.using(idempotency_key="request 7", idempotency_window="1h").enqueue(1)
    shown = call("jobs", "show", str(job.id)).out
    until = job.status().created_at + timedelta(hours=1)
    assert "sum-1, taken until its end" in shown
    assert f"request 7, for repeats until {until:%Y-%m-%d %H:%M:%S}Z" in shown
    plain = json.loads(call("jobs", "show", str(job.id), "--json").out)
    assert (plain["unique_key"], plain["unique_until"]) == ("sum-1", "end")
    assert plain["idempotency_key"] == "request 7"
    assert datetime.fromisoformat(plain["idempotency_until"]) == until


def test_show_says_nothing_of_keys_that_a_job_has_not(shop: Shop, call: Call) -> None:
    job_id = shop.enqueue("add", "[1]")
    assert " key" not in call("jobs", "show", job_id).out
    plain = json.loads(call("jobs", "show", job_id, "--json").out)
    assert plain["unique_key"] is plain["idempotency_key"] is plain["idempotency_until"] is None


def test_a_listing_has_the_progress_of_jobs_that_run(shop: Shop, call: Call) -> None:
    shop.host.migrate()
    go = threading.Event()

    @shop.host.task
    def convert() -> None:
        current_job().progress(412, 1000)
        go.wait()

    job = convert.enqueue()
    with shop.host.worker():
        wait_until(lambda: job.status().progress)
        head, row = call("jobs", "list").out.splitlines()
        (plain,) = json.loads(call("jobs", "list", "--state", "running", "--json").out)["jobs"]
        go.set()
        job.result("1m")
    assert head.split() == ["id", "state", "task", "queue", "created", "progress", "reason"]
    assert row.endswith("412/1,000 41 %")
    assert plain["progress"]["done"] == 412
    assert "%" not in call("jobs", "list").out, "it has ended"


def test_what_a_job_brought_along_never_steers_the_terminal(shop: Shop, call: Call) -> None:
    run = shop.call("run", "shop:host", "boom", "--args", json.dumps([ESCAPE]))
    job_id = str(shop.host.jobs()[0].id)
    call("jobs", "cancel", shop.enqueue("add", "[1]"), "--reason", ESCAPE)
    shown = [
        run.err,
        call("jobs", "show", job_id).out,
        call("jobs", "list").out,
        call("jobs", "show", job_id, "--json").out,
    ]
    for text in shown:
        assert not set(text) & set("\x1b\x07\x9b\u202e")
    assert "[bold]loud[/bold]" in shown[1]
    assert "[bold]loud[/bold]" in shown[2]
    assert json.loads(shown[3])["arguments"] == {"text": ESCAPE}


def test_a_waiting_job_is_cancelled_with_its_reason(shop: Shop, call: Call) -> None:
    first, second = shop.enqueue("add", "[1]"), shop.enqueue("delayed")
    done = call("jobs", "cancel", first, second, "--reason", "wrong file")
    assert done.out == f"{first} is cancelled\n{second} is cancelled\n"
    assert done.code == 0
    assert shop.host.job(first).status().reason == "wrong file"
    assert call("jobs", "cancel", first).code == 0, "it is what was asked for"


def test_one_job_that_cannot_be_moved_does_not_hold_up_the_rest(shop: Shop, call: Call) -> None:
    gone, waits = "f190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10", shop.enqueue("add", "[1]")
    done = call("jobs", "cancel", gone, waits)
    assert done.code == 4
    assert done.out == f"{waits} is cancelled\n"
    assert f"there is no job {gone}" in done.err


def test_ids_are_all_read_before_anything_is_done(shop: Shop, call: Call) -> None:
    waits = shop.enqueue("add", "[1]")
    assert call("jobs", "cancel", waits, "nonsense").code == 2
    assert shop.state(waits) == "ready"


def test_a_job_that_has_ended_is_not_cancelled(shop: Shop, call: Call) -> None:
    job_id = shop.enqueue("add", "[1]")
    shop.call("worker", "shop:host", "--burst")
    done = call("jobs", "cancel", job_id)
    assert done.code == 2
    assert "it is succeeded, and there is nothing left to cancel" in done.err


def test_dead_and_cancelled_jobs_are_sent_back(shop: Shop, call: Call) -> None:
    dead = shop.dead("it fell over")
    cancelled = shop.enqueue("add", "[1]")
    call("jobs", "cancel", cancelled)
    done = call("jobs", "redrive", dead, cancelled)
    assert done.code == 0
    assert done.out == f"{dead} is ready again\n{cancelled} is ready again\n"
    assert shop.state(dead) == shop.state(cancelled) == "ready"
    assert len(shop.host.job(dead).attempts()) == 1, "its history is kept"


@pytest.mark.parametrize(
    ("task", "burst", "hint"),
    [
        ("echo", False, "is ready, and only dead or cancelled jobs can be sent back: it runs as"),
        ("echo", True, "is succeeded, and only dead or cancelled jobs can be sent back: to do"),
    ],
)
def test_other_jobs_are_not_sent_back(
    shop: Shop, call: Call, task: str, burst: bool, hint: str
) -> None:
    job_id = shop.enqueue(task, '["x"]')
    if burst:
        shop.call("worker", "shop:host", "--burst")
    done = call("jobs", "redrive", job_id)
    assert (done.code, done.out) == (2, "")
    assert hint in done.err


@pytest.mark.parametrize(("reader", "code"), [("| true", 0), ("> /dev/full", 3)])
def test_a_reader_that_has_gone_away_and_a_full_disk_end_without_a_traceback(
    shop: Shop, reader: str, code: int
) -> None:
    if "full" in reader and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    shop.enqueue("add", "[1]")
    line = f"{sys.executable} -m jobhost jobs list --url {shop.url}"
    done = subprocess.run(
        ["/bin/sh", "-c", f"{{ {line}; echo code $? >&2; }} {reader}"],
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.stderr.splitlines()[-1] == f"code {code}"


def test_a_next_step_carries_the_address_that_the_command_was_given(shop: Shop) -> None:
    job_id = shop.enqueue("add", "[1]")
    shop.call("worker", "shop:host", "--burst")
    done = shop.call("jobs", "cancel", job_id, "--url", shop.url)
    assert f"see 'jobhost jobs show {job_id} --url {shop.url}'" in done.err
