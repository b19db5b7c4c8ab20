"""`jobhost worker`: a real process, its signals, its log and its exit codes."""

import json
import re
import shlex
import signal
import sqlite3
from contextlib import closing

import pytest
from commands import Shop, until

from jobhost.cli.worker import read_queues


def test_burst_runs_what_is_there_and_ends(shop: Shop) -> None:
    ids = [shop.enqueue("add", f"[{number}]") for number in range(3)]
    done = shop.call("worker", "shop:host", "--burst")
    assert done.code == 0
    assert [shop.state(job_id) for job_id in ids] == ["succeeded"] * 3


def test_it_serves_the_queues_that_it_was_told_to(shop: Shop) -> None:
    ordinary, mail = shop.enqueue("add", "[1]"), shop.host
    done = shop.call("enqueue", "shop:host", "add", "--args", "[2]", "--queue", "mail")
    assert shop.call("worker", "shop:host", "--burst", "--queues", "mail:3,other").code == 0
    assert mail.job(done.out.strip()).status().state == "succeeded"
    assert shop.state(ordinary) == "ready"


def test_queues_are_names_with_weights() -> None:
    assert read_queues("mail, reports:3") == {"mail": 1, "reports": 3}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_first_signal_drains(shop: Shop, number: signal.Signals) -> None:
    running = shop.start("worker", "shop:host")
    until(lambda: "serves default" in running.err)
    job_id = shop.enqueue("gated", json.dumps([str(shop.folder)]))
    until((shop.folder / "started").exists)
    running.signal(number)
    until(lambda: "claims nothing more" in running.err)
    left = shop.enqueue("add", "[1]")
    (shop.folder / "go").touch()
    done = running.wait()
    assert done.code == 0, done.err
    assert shop.state(job_id) == "succeeded"
    assert shop.state(left) == "ready"
    assert "left after 1 attempt; 0 jobs handed back" in done.err


def test_a_hangup_never_hurries_and_a_stop_after_it_is_the_first_one(shop: Shop) -> None:
    running = shop.start("worker", "shop:host")
    until(lambda: "serves default" in running.err)
    job_id = shop.enqueue("gated", json.dumps([str(shop.folder)]))
    until((shop.folder / "started").exists)
    running.signal(signal.SIGHUP)
    until(lambda: "claims nothing more" in running.err)
    for number in (signal.SIGHUP, signal.SIGTERM):
        running.signal(number)
    (shop.folder / "go").touch()
    assert running.wait().code == 0
    assert shop.state(job_id) == "succeeded"


def test_a_second_signal_hands_back_and_ends_though_the_job_does_not(shop: Shop) -> None:
    job_id = shop.enqueue("deaf", json.dumps([str(shop.folder)]))
    running = shop.start("worker", "shop:host")
    until((shop.folder / "started").exists)
    running.signal(signal.SIGTERM)
    until(lambda: "claims nothing more" in running.err)
    running.signal(signal.SIGTERM)
    done = running.wait()
    assert done.code in (0, 70), "70 on a machine too slow to record it in two seconds"
    if done.code == 0:
        assert shop.state(job_id) == "ready"


def test_a_second_signal_ends_it_with_70_when_the_store_cannot_record(shop: Shop) -> None:
    shop.enqueue("deaf", json.dumps([str(shop.folder)]))
    running = shop.start("worker", "shop:host")
    until((shop.folder / "started").exists)
    with closing(sqlite3.connect(shop.folder / "shop.db", isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        running.signal(signal.SIGTERM)
        until(lambda: "claims nothing more" in running.err)
        running.signal(signal.SIGTERM)
        assert running.wait().code == 70


def test_a_worker_whose_store_is_deleted_ends_with_3_and_one_sentence(shop: Shop) -> None:
    shop.enqueue("deaf", json.dumps([str(shop.folder)]))
    running = shop.start("worker", "shop:host")
    until((shop.folder / "started").exists)
    (shop.folder / "shop.db").unlink()
    done = running.wait()
    assert done.code == 3
    last = done.err.splitlines()[-1]
    assert f"{shop.folder}/shop.db was deleted or moved away while this process used it" in last
    assert "Traceback" not in done.err


def test_jobs_that_do_not_end_in_the_waiting_time_are_handed_back(shop: Shop) -> None:
    job_id = shop.enqueue("deaf", json.dumps([str(shop.folder)]))
    running = shop.start("worker", "shop:host", "--stopping-wait-time", "0s")
    until((shop.folder / "started").exists)
    running.signal(signal.SIGTERM)
    assert running.wait().code == 0
    assert shop.state(job_id) == "ready"


def test_a_worker_that_a_job_has_spoilt_begins_anew_in_the_same_process(shop: Shop) -> None:
    stuck = shop.enqueue("stuck", json.dumps([str(shop.folder)]))
    running = shop.start("worker", "shop:host", "--cancel-grace", "50ms", "--concurrency", "1")
    until(lambda: shop.state(stuck) == "dead")
    after = shop.enqueue("describe")
    until(lambda: shop.state(after) == "succeeded")
    result = shop.host.job(after).result()
    running.signal(signal.SIGTERM)
    done = running.wait()
    assert done.code == 0
    assert int(result["pid"]) == running.process.pid == int((shop.folder / "stuck").read_text())
    assert done.err.count("shop was imported") == 2
    assert "this process ends to stop it" in done.err


def test_a_spoilt_worker_that_was_told_to_stop_stops(shop: Shop) -> None:
    shop.enqueue("stuck", json.dumps([str(shop.folder)]))
    gate = shop.enqueue("gated", json.dumps([str(shop.folder)]))
    running = shop.start("worker", "shop:host", "--cancel-grace", "50ms")
    until((shop.folder / "started").exists)
    running.signal(signal.SIGTERM)
    until(lambda: "this process ends to stop it" in running.err)
    (shop.folder / "go").touch()
    done = running.wait()
    assert done.code == 0
    assert done.err.count("shop was imported") == 1
    assert shop.state(gate) in ("succeeded", "ready")


def test_plain_log_lines_have_time_level_and_message(shop: Shop) -> None:
    done = shop.call("worker", "shop:host", "--burst")
    _, line, *_ = done.err.splitlines()
    moment, level, *words = line.split()
    assert moment.endswith("Z")
    assert (level, words[0]) == ("INFO", "worker")
    assert done.out == ""


def test_json_log_lines_carry_the_record_s_fields(shop: Shop) -> None:
    job_id = shop.enqueue("patient")
    done = shop.call("worker", "shop:host", "--burst", "--log-json")
    lines = [json.loads(line) for line in done.err.splitlines()[1:]]
    assert all(line.keys() >= {"time", "level", "logger", "message"} for line in lines)
    (failed,) = [line for line in lines if line.get("task") == "patient"]
    assert (failed["level"], failed["job"]) == ("warning", job_id)


def test_a_job_can_neither_forge_a_log_line_nor_steer_the_terminal(shop: Shop) -> None:
    evil = "\x1b[2J\n1999-12-31T00:00:00Z INFO all is well"
    shop.enqueue("boom", json.dumps([evil]))
    done = shop.call("worker", "shop:host", "--burst")
    assert "\x1b" not in done.err
    assert not [line for line in done.err.splitlines() if line.startswith("1999-12-31")]


def test_the_log_level_is_obeyed(shop: Shop) -> None:
    done = shop.call("worker", "shop:host", "--burst", "--log-level", "error")
    assert done.err == "shop was imported\n"


@pytest.mark.parametrize("store", ["shop.db", "else where.db"])
def test_the_command_that_the_log_names_shows_the_dead_job_when_it_is_pasted(
    shop: Shop, store: str
) -> None:
    url = f"sqlite:///{shop.folder}/{store}"
    done = shop.call("enqueue", "shop:host", "boom_once", "--url", url)
    worker = shop.call("worker", "shop:host", "--burst", "--url", url)
    (named,) = re.findall(r"see 'jobhost (.*)'$", worker.err, re.MULTILINE)
    shown = shop.call(*shlex.split(named))
    assert shown.code == 0, shown.err
    assert done.out.strip() in shown.out
    assert "--url" in named


def test_the_log_names_no_address_that_a_command_finds_by_itself(shop: Shop) -> None:
    (shop.folder / "plain.py").write_text(
        "from jobhost import JobHost, Retry\nhost = JobHost()\n"
        "@host.task(retry=Retry(max_attempts=1))\ndef boom() -> None: raise ValueError\n"
    )
    job_id = shop.call("enqueue", "plain:host", "boom").out.strip()
    worker = shop.call("worker", "plain:host", "--burst")
    assert f"; see 'jobhost jobs show {job_id}'\n" in worker.err
    assert job_id in shop.call("jobs", "show", job_id).out


def test_the_first_line_tells_the_queues_that_are_served(shop: Shop) -> None:
    named = ("--queues", "mail,reports:3", "--concurrency", "1")
    assert "serves mail, reports with 1 slot and " in shop.call(
        "worker", "shop:host", "--burst", *named
    ).err  # fmt: skip
    assert " serves default, slow with 20 slots and " in shop.call(
        "worker", "shop:host", "--burst"
    ).err  # fmt: skip
