"""`jobhost queues list | show | pause | resume | set`."""

import json

import pytest
from commands import Call, Shop

from jobhost.store.plans import queue_stats

KEYS = {
    "name", "served", "paused_at", "pause_reason", "capacity", "when_full", "wait_seconds",
    "expires_seconds", "dropped", "objective_seconds", "depth", "depth_error", "running",
    "oldest_seconds", "oldest_seconds_at_most", "accepted_per_second", "started_per_second",
    "succeeded_per_second", "failed_per_second", "late", "fullness", "priorities",
}  # fmt: skip


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    """Three jobs wait in `default`, one of them with a priority; nobody serves it."""
    shop.host.migrate()
    work = shop.host.task(name="add")(lambda: None)
    work.enqueue()
    work.enqueue()
    work.using(priority=5).enqueue()
    return shop


def test_without_a_queue_there_is_nothing_to_list(call: Call) -> None:
    call("migrate")
    done = call("queues", "list")
    assert (done.code, done.out) == (0, "")
    assert done.err == "jobhost: no queue yet: the first job makes one\n"
    assert json.loads(call("queues", "list", "--json").out) == {"queues": []}


def test_queues_are_listed_with_what_waits_and_what_is_wrong(stocked: Shop, call: Call) -> None:
    done = call("queues", "list")
    head, row = done.out.splitlines()
    assert head.split() == [
        "queue", "waiting", "running", "oldest", "in/s", "out/s", "failed/s", "objective", "state",
    ]  # fmt: skip
    assert row.split()[:3] == ["default", "3", "0"]
    assert row.endswith("no worker")
    assert done.err == (
        "jobhost: no worker serves queue 'default': start one with --queues default\n"
    )


def test_a_long_queue_is_shown_as_an_estimate(
    stocked: Shop, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_stats, "EXACT_MAX", 1)
    assert "about " in call("queues", "list").out
    assert "give or take" in call("queues", "show", "default").out
    (found,) = json.loads(call("queues", "list", "--json").out)["queues"]
    assert found["depth_error"] > 0


@pytest.mark.requirement("R-PRIO-5")
def test_one_queue_is_shown_by_priority_too(stocked: Shop, call: Call) -> None:
    found = json.loads(call("queues", "show", "default", "--json").out)
    assert found.keys() == KEYS
    assert [(one["priority"], one["depth"]) for one in found["priorities"]] == [(5, 1), (0, 2)]
    lines = call("queues", "show", "default").out.splitlines()
    start = lines.index("priorities")
    assert [line.split()[:2] for line in lines[start + 2 :]] == [["5", "1"], ["0", "2"]]


def test_a_pause_is_seen_and_ended(stocked: Shop, call: Call) -> None:
    done = call("queues", "pause", "default", "--reason", "look\tinto")
    assert done.code == 2  # not printable
    done = call("queues", "pause", "default", "--reason", "look into it")
    assert (done.code, done.out, done.err) == (0, "default is paused\n", "")
    assert call("queues", "pause", "default").out == "default was paused before\n"
    call("queues", "pause", "default", "--reason", "still looking")
    shown = call("queues", "show", "default")
    assert "still looking" in shown.out
    assert "'jobhost queues resume default' lets it go on" in shown.err
    (job, *_) = stocked.host.jobs()
    told = call("jobs", "show", str(job.id)).err
    assert "queue 'default' is paused since " in told
    assert "(still looking)" in told
    assert call("queues", "resume", "default").out == "default goes on\n"
    assert call("queues", "resume", "default").out == "default was not paused\n"
    assert "paused" not in call("jobs", "show", str(job.id)).err


def test_a_job_run_here_and_now_waits_if_its_queue_is_paused(shop: Shop) -> None:
    shop.host.migrate()
    shop.host.queue("default").pause("not now")
    done = shop.call("run", "shop:host", "add", "--args", "[1, 2]")
    assert done.code == 6
    assert "was accepted, and not run: queue 'default' is paused since " in done.err
    assert "jobhost queues resume default" in done.err


def test_a_queue_that_never_was_is_paused_with_a_warning(stocked: Shop, call: Call) -> None:
    done = call("queues", "pause", "defualt")
    assert (done.code, done.out) == (0, "defualt is paused\n")
    assert done.err == (
        "jobhost: no queue 'defualt' is known yet, and it is paused all the same: "
        "did you mean 'default'?\n"
    )


def test_an_unknown_queue_is_not_found_with_a_hint(stocked: Shop, call: Call) -> None:
    for command in ("show", "resume"):
        done = call("queues", command, "defualt")
        assert (done.code, done.out) == (4, "")
        assert done.err == (
            "jobhost: nothing is known of a queue 'defualt': did you mean 'default'?; "
            "see 'jobhost queues list'\n"
        )


def test_settings_are_changed_and_taken_back(stocked: Shop, call: Call) -> None:
    done = call(
        "queues", "set", "default", "--objective", "30s", "--capacity", "10,000", "--when-full",
        "wait", "--wait", "2s", "--expires", "1h", "--dropped",
    )  # fmt: skip
    assert (done.code, done.out, done.err) == (0, "default is set\n", "")
    shown = call("queues", "show", "default").out
    assert "10,000; then wait, up to 2s" in shown
    assert "after 1h at the latest, then deleted" in shown
    done = call("queues", "set", "default", "--objective", "none", "--no-dropped", "--json")
    told = json.loads(done.out)
    assert (told["name"], told["objective_seconds"], told["dropped"]) == ("default", None, False)
    assert (told["capacity"], told["expires_seconds"]) == (10_000, 3600.0)


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        ("--objective", "soon"),
        ("--capacity", "many"),
        ("--capacity", "0"),
        ("--when-full", "rejekt"),
    ],
    ids=str,
)
def test_what_is_no_setting_is_refused(stocked: Shop, call: Call, wrong: tuple[str, ...]) -> None:
    done = call("queues", "set", "default", *wrong)
    assert (done.code, done.out) == (2, "")
    assert done.err


def test_a_pause_can_be_told_as_json(stocked: Shop, call: Call) -> None:
    told = json.loads(call("queues", "pause", "default", "--reason", "why", "--json").out)
    (queue,) = told["queues"]
    assert (queue["name"], queue["pause_reason"]) == ("default", "why")
    told = json.loads(call("queues", "resume", "default", "--json").out)
    assert told["queues"][0]["paused_at"] is None
