"""What is made of the records of jobs whose processes died."""

import pytest

from bench.processes import BenchError
from bench.records import Kind, Record
from bench.recovery import UNWRITTEN_NS, Death, Recovery, spread

DEAD, OTHER, THIRD = 1, 2, 3
SECOND_NS = 1_000_000_000
DEATH = Death(pids=frozenset({DEAD}), at_ns=10 * SECOND_NS)


def _start(pid: int, seq: int, seconds: float) -> Record:
    return Record(pid, Kind.START, seq, 0, int(seconds * SECOND_NS))


def _end(pid: int, seq: int, seconds: float) -> Record:
    return Record(pid, Kind.END, seq, 0, int(seconds * SECOND_NS))


def test_the_time_runs_to_the_next_start_of_a_job_that_was_running() -> None:
    records = [
        _start(DEAD, 1, 9.5),
        _start(DEAD, 2, 9.6),
        _start(OTHER, 3, 10.1),  # somebody else's
        _start(OTHER, 2, 10.75),
        _start(OTHER, 1, 10.5),
    ]

    found = Recovery.of(records, [DEATH])

    assert found.seconds == [0.5]
    assert found.extra == [2]
    assert (found.twice, found.duplicates) == (0, 0)
    assert found.started == {1, 2, 3}


def test_a_job_whose_end_was_perhaps_not_written_is_extra_but_did_not_run_twice() -> None:
    just_before = (DEATH.at_ns - UNWRITTEN_NS / 2) / SECOND_NS
    records = [
        *(_start(DEAD, 1, 9.0), _end(DEAD, 1, just_before), _start(OTHER, 1, 10.125)),
        *(_start(DEAD, 2, 9.0), _start(OTHER, 2, 10.25)),
    ]

    found = Recovery.of(records, [DEATH])

    assert found.seconds == [0.25]  # the first one was not running any more
    assert (found.extra, found.twice, found.duplicates) == ([2], 0, 0)


def test_a_job_that_had_ended_long_before_and_runs_again_ran_twice() -> None:
    records = [
        *(_start(DEAD, 1, 1.0), _end(DEAD, 1, 2.0), _start(OTHER, 1, 11.0)),
        *(_start(DEAD, 2, 9.0), _start(OTHER, 2, 11.0)),
    ]

    assert Recovery.of(records, [DEATH]).twice == 1


def test_a_second_start_without_a_death_in_between_is_a_duplicate() -> None:
    records = [
        *(_start(OTHER, 1, 9.0), _start(THIRD, 1, 11.0)),
        *(_start(DEAD, 2, 9.0), _start(OTHER, 2, 9.5), _start(THIRD, 2, 11.0)),
    ]

    found = Recovery.of([*records, _start(DEAD, 3, 9.0), _start(OTHER, 3, 11.0)], [DEATH])

    assert (found.duplicates, found.extra) == (3, [1])


def test_each_death_has_its_own_time_and_one_that_found_nothing_running_has_none() -> None:
    idle = Death(pids=frozenset({THIRD}), at_ns=5 * SECOND_NS)
    later = Death(pids=frozenset({OTHER}), at_ns=20 * SECOND_NS)
    records = [
        *(_start(THIRD, 9, 1.0), _end(THIRD, 9, 2.0)),
        *(_start(DEAD, 1, 9.0), _start(OTHER, 1, 10.5), _end(OTHER, 1, 11.0)),
        *(_start(OTHER, 2, 19.0), _start(4, 2, 20.25)),
    ]

    found = Recovery.of(records, [idle, DEATH, later])

    assert found.seconds == [0.5, 0.25]
    assert found.extra == [0, 1, 1]


def test_jobs_that_never_began_again_are_no_figure() -> None:
    with pytest.raises(BenchError, match="no job of the dead"):
        Recovery.of([_start(DEAD, 1, 9.0)], [DEATH])


def test_a_spread_is_told_of_one_death_or_more() -> None:
    assert spread([1.0]) == {"median": 1.0, "p99": 1.0, "max": 1.0}
    assert spread([1.0, 3.0, 2.0])["median"] == 2.0
    assert 2.0 < spread([1.0, 3.0, 2.0])["p99"] < spread([1.0, 3.0, 2.0])["max"] == 3.0
    with pytest.raises(BenchError, match="no death"):
        spread([])
