"""What a node decides by itself: who fits, when the lane rests, which kill explains a death."""

from pathlib import Path

import pytest

from jobhost.hosting.bulletin import LANE_REST_SECONDS, LaneRest
from jobhost.hosting.exits import OomWatch, read_death
from jobhost.hosting.greeting import difference
from jobhost.hosting.wake import Naps
from jobhost.hosting.watch import RecentKills
from jobhost.worker.exit_codes import WorkerExit
from jobhost.worker.wire import Hello

FIRST = Hello(url="sqlite:///a", tasks=["b", "a"], queues={"mail": 1}, slots=2, version="1")


def _hello(**changes) -> Hello:
    told = {"url": FIRST.url, "tasks": ["a", "b"], "queues": {"mail": 1}, "slots": 1}
    return Hello(**{**told, "version": "1", **changes})


@pytest.mark.parametrize(
    ("hello", "said"),
    [
        (_hello(), ""),
        (_hello(url="sqlite:///b?password=x"), "its host has another store"),
        (_hello(version="2"), "it runs jobhost 2, the node 1"),
        (_hello(tasks=["a", "c"]), "its host has other tasks: +c -b"),
        (_hello(queues={"mail": 2}), "its host has other queues: +mail:2 -mail:1"),
    ],
)
def test_a_worker_fits_if_it_has_the_same_store_release_tasks_and_queues(hello, said):
    assert difference(FIRST, hello, lane=False) == said


def test_the_queues_of_the_lane_do_not_matter():
    assert difference(FIRST, _hello(queues={}), lane=True) == ""


def test_a_lane_that_finds_nothing_rests_longer_and_longer_until_it_finds_something():
    rest = LaneRest()
    first, longest = LANE_REST_SECONDS
    assert rest.over(0.0)
    now, pauses = 0.0, []
    for _ in range(8):
        rest.ended(now, idle=True)
        pause = next(seconds for seconds in range(1000) if rest.over(now + seconds))
        pauses.append(pause)
        now += pause
    assert pauses == [first, 20, 40, 80, 160, longest, longest, longest]

    rest.ended(now, idle=False)
    assert rest.over(now)
    rest.ended(now, idle=True)
    assert not rest.over(now + first - 1)


def test_a_kill_for_want_of_memory_explains_one_death_soon_after_and_none_later(tmp_path: Path):
    counter = tmp_path / "memory.events"
    counter.write_text("oom_kill 0\n")
    (tmp_path / "cgroup").write_text("0::/\n")
    (tmp_path / "mountinfo").write_text(f"1 1 0:1 / {tmp_path} rw - cgroup2 cgroup rw\n")
    kills = RecentKills(OomWatch(proc=tmp_path))
    assert kills.look(0.0) == 0

    counter.write_text("oom_kill 2\n")
    assert kills.look(1.0) == 2, "seen in a round before its victim has ended"
    assert kills.look(2.0) == 2
    kills.explain()
    assert kills.look(3.0) == 1
    assert kills.look(60.0) == 0, "that was a job's own process"


def test_a_worker_asked_to_stop_before_it_could_listen_has_ended_in_order():
    assert read_death(15, stopping=True, ready=False) is None
    assert read_death(15, stopping=True, ready=True) is not None
    assert read_death(15, stopping=False, ready=False) is not None


def test_a_lane_that_found_nothing_has_ended_in_order():
    assert read_death(WorkerExit.IDLE << 8, goodbye=WorkerExit.IDLE) is None


def test_a_process_that_did_not_run_knows_for_how_long():
    naps = Naps(4.0)
    start = naps._last
    assert naps.overslept(start + 3.0) == 0.0
    assert naps.overslept(start + 107.0) == 100.0
    assert naps.overslept(start + 108.0) == 0.0
