"""`jobhost jobs show --watch`: a job's changes until it has ended."""

import json
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from commands import Call, Shop, until
from views import View

from jobhost import JobHost, current_job
from jobhost.host.job import Job


class Convert:
    """A job that runs in this process and tells how far it is when it is told to."""

    def __init__(self, host: JobHost) -> None:
        self._on, self._go = threading.Semaphore(0), threading.Event()

        @host.task
        def convert() -> str:
            for page in (412, 1000):
                self._on.acquire()
                current_job().progress(page, 1000, f"page {page}")
            self._go.wait()
            return "converted"

        self.job: Job[str] = convert.enqueue()

    @property
    def id(self) -> str:
        return str(self.job.id)

    def on(self) -> None:
        """Have it do the next pages."""
        self._on.release()

    def end(self) -> None:
        """Have it end."""
        self._on.release(2)
        self._go.set()


@pytest.fixture
def convert(shop: Shop) -> Iterator[Convert]:
    shop.host.migrate()
    convert = Convert(shop.host)
    with shop.host.worker():
        yield convert
        convert.end()
        convert.job.result("5m")


def test_each_change_is_a_line_and_the_end_is_told_whole(shop: Shop, convert: Convert) -> None:
    watching = shop.start("jobs", "show", convert.id, "--watch", "--url", shop.url)
    until(lambda: "running, attempt 1" in watching.said)
    convert.on()
    until(lambda: "running, attempt 1; 412/1,000 41 %; page 412\n" in watching.said)
    convert.end()
    done = watching.wait()
    assert done.code == 0
    assert done.out.count("41 %") == 1
    assert "succeeded" in done.out
    assert '"converted"' in done.out


def test_each_change_is_an_object_of_json_on_a_line(shop: Shop, convert: Convert) -> None:
    watching = shop.start("jobs", "show", convert.id, "--watch", "--json", "--url", shop.url)
    convert.on()
    until(lambda: '"done": 412' in watching.said)
    convert.end()
    done = watching.wait()
    told: list[dict[str, Any]] = [json.loads(line) for line in done.out.splitlines()]
    assert {one["id"] for one in told} == {convert.id}
    assert all("result" not in one for one in told[:-1])
    assert (told[-1]["state"], told[-1]["result"]) == ("succeeded", "converted")
    assert len(told[-1]["attempts"]) == 1


def test_a_terminal_shows_how_far_it_is_and_then_everything(shop: Shop, convert: Convert) -> None:
    view = View(shop, shop.url, "jobs", "show", convert.id, "--watch")
    try:
        view.shows("Ctrl-C leaves")
        convert.on()
        view.shows("\u2501")  # the bar, which stands below
        assert "412/1,000 41 %" in view.seen
        convert.end()
        view.shows("attempt 1: succeeded")
        assert view.end() == 0
        assert view.is_as_before
    finally:
        view.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_leaves_leaves_the_job_alone(
    shop: Shop, convert: Convert, number: signal.Signals
) -> None:
    watching = shop.start("jobs", "show", convert.id, "--watch", "--url", shop.url)
    until(lambda: "running" in watching.said)
    watching.signal(number)
    done = watching.wait()
    assert (done.code, done.err) == (0, "")
    assert shop.state(convert.id) == "running"


def test_a_job_that_has_ended_is_shown_at_once(shop: Shop, call: Call) -> None:
    dead = shop.dead("it fell over")
    assert call("jobs", "show", dead, "--watch").out == call("jobs", "show", dead).out


def test_an_unknown_job_is_not_waited_for(shop: Shop, call: Call) -> None:
    shop.host.migrate()
    done = call("jobs", "show", "f190a5c2-7e0d-7c3a-9d5e-2b1f6c8a4e10", "--watch")
    assert (done.code, done.out) == (4, "")


def test_a_store_that_goes_away_is_told_and_asked_again(shop: Shop) -> None:
    folder, away = shop.folder / "data", shop.folder / "away"
    folder.mkdir()
    url = f"sqlite:///{folder}/shop.db"
    with JobHost(url) as host:
        host.migrate()
        job = host.task(name="add")(lambda: None).enqueue()
    watching = shop.start("jobs", "show", str(job.id), "--watch", "--url", url)
    until(lambda: "ready" in watching.said)
    folder.rename(away)
    until(lambda: "is asked again" in watching.err)
    away.rename(folder)
    with JobHost(url) as host:
        host.job(job.id).cancel("not needed")
    done = watching.wait()
    assert done.code == 0
    assert "not needed" in done.out
    assert done.err.count("is asked again") == 1
