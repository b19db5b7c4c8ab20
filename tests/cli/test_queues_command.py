"""`jobhost queues list | show | pause | resume | set`."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from commands import Call, Shop

from jobhost.store.plan import Statement
from jobhost.store.plans import queue_stats

KEYS = {
    "name", "served", "paused_at", "pause_reason", "capacity", "when_full", "wait_seconds",
    "expires_seconds", "dropped", "objective_seconds", "depth", "depth_error", "running",
    "oldest_seconds", "oldest_seconds_at_most", "accepted_per_second", "started_per_second",
    "succeeded_per_second", "failed_per_second", "late", "fullness", "priorities", "hours", "zone",
    "open", "changes_at", "raise_priority_after_seconds",
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


def closed_now() -> str:
    """Hours that do not come for a while, whenever this runs."""
    soon = datetime.now(UTC) + timedelta(hours=6)
    return f"{soon:%H}:00-{soon:%H}:59"


@pytest.mark.requirement("R-PART-5")
def test_hours_are_set_and_shown_with_the_next_change(stocked: Shop, call: Call) -> None:
    hours = closed_now()
    done = call("queues", "set", "default", "--hours", hours, "--zone", "UTC", "--json")
    found = json.loads(done.out)
    assert (found["hours"], found["zone"], found["open"]) == (hours, "UTC", False)
    assert datetime.fromisoformat(found["changes_at"]) > datetime.now(UTC)
    told = f"closed until {hours[:5]} UTC"
    assert told in call("queues", "list").out
    assert told in " ".join(call("top", "--once").out.split())
    shown = call("queues", "show", "default").out
    assert told in shown
    assert f"{hours} UTC" in shown
    (job, *_) = stocked.host.jobs()
    assert f"queue 'default' is {told}" in call("jobs", "show", str(job.id)).err
    why = call("jobs", "explain", str(job.id)).out
    assert f"its queue 'default' opens at {hours[:5]} UTC (in " in why
    assert "queues set default --hours none" in why
    call("queues", "set", "default", "--hours", "00:00-24:00")
    assert "open" in call("queues", "list").out
    assert "closed" not in call("jobs", "show", str(job.id)).err
    call("queues", "set", "default", "--hours", "none")
    assert json.loads(call("queues", "show", "default", "--json").out)["open"] is None


def test_an_age_is_set_and_shown(stocked: Shop, call: Call) -> None:
    done = call("queues", "set", "default", "--raise-priority-after", "10m", "--json")
    assert json.loads(done.out)["raise_priority_after_seconds"] == 600
    assert "raises after 10m" in call("queues", "list").out
    assert "raises after 10m" in call("queues", "show", "default").out
    call("queues", "set", "default", "--raise-priority-after", "none")
    assert "raises" not in call("queues", "show", "default").out
    done = call("queues", "set", "default", "--raise-priority-after", "10ms")
    assert (done.code, done.out) == (2, "")
    assert "raise_priority_after must be at least 1 s" in done.err


def test_hours_that_cannot_be_read_are_refused(stocked: Shop, call: Call) -> None:
    done = call("queues", "set", "default", "--hours", "10pm-6am")
    assert (done.code, done.out) == (2, "")
    assert "22:00-06:00" in done.err
    done = call("queues", "set", "default", "--zone", "Europe/Berlln")
    assert (done.code, done.out) == (2, "")
    assert "did you mean 'Europe/Berlin'?" in done.err


def test_a_job_run_here_and_now_waits_if_its_queue_is_closed(shop: Shop) -> None:
    shop.host.migrate()
    shop.host.queue("default").set(hours=closed_now())
    done = shop.call("run", "shop:host", "add", "--args", "[1, 2]")
    assert done.code == 6
    assert "was accepted, and not run: queue 'default' is closed until " in done.err
    assert "queues set default --hours none" in done.err


def test_a_job_run_here_and_now_opens_a_queue_that_nobody_has_opened(shop: Shop) -> None:
    shop.host.migrate()
    shop.host.queue("default").set(hours="00:00-24:00")
    shop.host.store.write(_forget_window)
    assert shop.call("run", "shop:host", "add", "--args", "[1, 2]").code == 0


def _forget_window() -> Iterator[Statement]:
    changes = '{"hours": "00:00-24:00"}'
    yield Statement("set_queue", {"queue": "default", "changes": changes})


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
