"""`jobhost top`: one look for pipes, and the living view on a real terminal."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from commands import Call, Shop, until
from postgres_server import drop_schema, new_schema, store_url
from views import View

from jobhost import JobHost, current_job
from jobhost.cli import overview
from jobhost.cli.render_top import ROWS_MIN, Limits, fit, frame
from jobhost.jobs.depth import Depth
from jobhost.jobs.queue_stats import PriorityStats, QueueStats
from jobhost.jobs.queues import QueueSettings
from jobhost.store.plans import overview as plans

WATCHING = ("top", "--interval", "200ms")


# --- one look ----------------------------------------------------------------------------------


def test_one_look_shows_queues_workers_and_dead_letters(call: Call, shop: Shop) -> None:
    shop.dead("it broke for good")
    shop.enqueue("add", "[1]")
    shop.host.queue("default").pause("for a test")
    done = call("top", "--once")
    assert (done.code, done.err) == (0, "")
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines[0].startswith(shop.url)
    assert lines[1] == "ready 1 running 0 scheduled 0 blocked 0 dead 1"
    assert any(line.startswith("default 1 0 ") and "paused, no worker" in line for line in lines)
    assert "workers: none runs" in lines
    (group,) = [line for line in lines if line.startswith("boom ValueError 1 ")]
    assert group.endswith("it broke for good")


def test_a_pipe_gets_one_look_without_being_asked(call: Call) -> None:
    call("migrate")
    done = call("top")
    assert done.code == 0
    assert "queues: none yet" in done.out
    assert "\x1b" not in done.out


def test_a_worker_is_shown_with_its_slots_and_memory(call: Call, shop: Shop) -> None:
    shop.host.migrate()
    shop.host.task(name="add")(lambda: None)
    with shop.host.worker(concurrency=3, queues={"default": 1}):
        told = json.loads(call("top", "--json").out)
        (node,) = told["nodes"]
        assert (node["slots"], node["state"]) == (3, "live")
        (line,) = [one for one in call("top", "--once").out.splitlines() if " 0 of 3 " in one]
        assert "live" in line


def test_jobs_that_tell_how_far_they_are_are_shown_while_they_run(call: Call, shop: Shop) -> None:
    shop.host.migrate()
    go = threading.Event()

    @shop.host.task
    def convert() -> None:
        current_job().progress(412, 1000, "page 412")
        go.wait()

    job = convert.enqueue()
    assert "how far they are" not in call("top", "--once").out
    with shop.host.worker():
        until(lambda: job.status().progress)
        (running,) = json.loads(call("top", "--json").out)["running"]
        assert (running["id"], running["task"]) == (str(job.id), "convert")
        assert running["progress"]["done"] == 412
        (line,) = [line for line in call("top", "--once").out.splitlines() if "41 %" in line]
        assert line.split()[:2] == ["convert", str(job.id)]
        assert line.endswith("412/1,000 41 %  page 412")
        go.set()
        job.result("1m")
    assert json.loads(call("top", "--json").out)["running"] == []


def test_json_has_stable_keys(call: Call, shop: Shop) -> None:
    shop.enqueue("delayed")
    told = json.loads(call("top", "--json").out)
    assert told.keys() == {"store", "at", "states", "queues", "nodes", "running", "dead"}
    assert told["states"]["scheduled"] == {"jobs": 1, "exact": True}
    assert told["states"].keys() == {"ready", "running", "scheduled", "blocked", "dead"}
    assert datetime.fromisoformat(told["at"]).tzinfo == UTC
    assert told["dead"] == []


def test_postgresql_is_shown_alike() -> None:
    schema = new_schema()
    try:
        with JobHost(store_url(schema)) as host:
            host.migrate()
            host.task(name="add")(lambda: None).enqueue_many([()] * 3)
            told = overview.look(host).to_json()
    finally:
        drop_schema(schema)
    assert told["states"]["ready"] == {"jobs": 3, "exact": True}
    assert [queue["name"] for queue in told["queues"]] == ["default"]


def test_many_jobs_are_counted_up_to_a_bound(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "COUNTED_MAX", 2)
    shop.host.migrate()
    later = shop.host.task(name="later", delay="1h")(lambda: None)
    later.enqueue_many([()] * 2)
    assert overview.look(shop.host).states["scheduled"] == ("2", {"jobs": 2, "exact": True})
    later.enqueue()
    found = overview.look(shop.host).states["scheduled"]
    assert found == ("over 2", {"jobs": 2, "exact": False})


@pytest.mark.parametrize("interval", ["0s", "100ms", "soon"])
def test_an_interval_that_is_none_is_refused(call: Call, interval: str) -> None:
    done = call("top", "--interval", interval)
    assert (done.code, done.out) == (2, "")
    assert "--interval" in done.err


def test_a_store_that_is_not_there_ends_with_3(call: Call, shop: Shop) -> None:
    done = call("top", "--once")
    assert (done.code, done.out) == (3, "")
    assert not (shop.folder / "shop.db").exists()


# --- what fits ---------------------------------------------------------------------------------


def queue(name: str, depth: int, *, served: bool = True) -> QueueStats:
    return QueueStats(
        name=name,
        settings=QueueSettings(name=name),
        served=served,
        priorities=(PriorityStats(priority=0, depth=Depth(jobs=depth)),),
    )


EMPTY = overview.Overview(
    store="sqlite:///x.db",
    at=datetime(2030, 1, 31, tzinfo=UTC),
    states={"ready": ("0", {})},
    queues=[],
    nodes=[],
    running=[],
    dead=[],
)


def test_a_terminal_is_shared_by_the_tables_that_have_rows() -> None:
    many = replace(EMPTY, queues=[queue(f"q{at:03}", at) for at in range(500)])
    assert fit(many, 47).queues == 30
    assert fit(many, 5).queues == ROWS_MIN
    assert fit(EMPTY, 47).queues == ROWS_MIN


def test_what_does_not_fit_is_counted_and_what_is_stuck_comes_first() -> None:
    queues = [queue("long", 9), queue("stuck", 1, served=False), queue("idle", 0)]
    parts = frame(replace(EMPTY, queues=queues), Limits(queues=2, nodes=2, dead=2))
    assert "and 1 more" in parts
    (table,) = [part for part in parts if not isinstance(part, str)]
    assert list(table.columns[0].cells) == ["stuck", "long"]  # type: ignore[union-attr]


def test_dead_letters_that_may_not_be_seen_are_told() -> None:
    parts = frame(replace(EMPTY, dead=None), Limits())
    assert parts[-1] == "\ndead letters: this login may not look at them"


# --- on a terminal -----------------------------------------------------------------------------


@pytest.fixture
def view(shop: Shop) -> Iterator[View]:
    shop.host.migrate()
    view = View(shop, shop.url, *WATCHING)
    yield view
    view.close()


def test_it_shows_what_happens_and_q_leaves(shop: Shop, view: View) -> None:
    view.shows("none yet")
    shop.host.task(name="add")(lambda: None).enqueue()
    view.shows("ready 1")
    os.write(view.ours, b"xq")
    assert view.end() == 0
    assert view.is_as_before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_terminal_as_it_was(view: View, number: signal.Signals) -> None:
    view.shows("q leaves")
    view.process.send_signal(number)
    assert view.end() == 0
    assert view.is_as_before


def test_a_store_that_goes_away_is_told_and_shown_again_when_it_is_back(shop: Shop) -> None:
    folder, away = shop.folder / "data", shop.folder / "away"
    folder.mkdir()
    url = f"sqlite:///{folder}/shop.db"
    with JobHost(url) as host:
        host.migrate()
    view = View(shop, url, *WATCHING)
    try:
        view.shows("none yet")
        folder.rename(away)  # the file and all that belongs to it, at once
        view.shows("the store could not be asked")
        view.shows("none yet")  # what it has seen last
        away.rename(folder)
        with JobHost(url) as host:
            host.task(name="add")(lambda: None).enqueue()
        view.shows("ready 1")
        os.write(view.ours, b"q")
        assert view.end() == 0
    finally:
        view.close()


def test_a_server_s_store_that_was_dropped_and_made_again_is_shown_again(shop: Shop) -> None:
    schema = new_schema()
    url = store_url(schema)
    with JobHost(url) as host:
        host.migrate()
    view = View(shop, url, *WATCHING)
    try:
        view.shows("none yet")
        drop_schema(schema)
        view.shows("the store could not be asked")
        with JobHost(url) as host:
            host.migrate()
            host.task(name="add")(lambda: None).enqueue()
        view.shows("ready 1")
        os.write(view.ours, b"q")
        assert view.end() == 0
    finally:
        view.close()
        drop_schema(schema)
