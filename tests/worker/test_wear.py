"""When a worker's process is worn out."""

import logging

import pytest

from jobhost.worker.wear import Wear


def test_who_holds_too_much_before_any_job_says_so_once_and_goes_on(
    caplog: pytest.LogCaptureFixture,
):
    wear = Wear(max_jobs=None, max_bytes=1_000_000)

    with caplog.at_level(logging.ERROR, "jobhost.worker"):
        assert [wear.look(now, 0) for now in (10.0, 20.0)] == [None, None]
    [said] = caplog.messages
    assert "max_memory is 1.0 MB: raise max_memory" in said


def test_who_holds_too_much_after_a_job_is_worn_out():
    said = Wear(max_jobs=None, max_bytes=1_000_000).look(10.0, 1)
    assert said is not None
    assert said.startswith("it holds ")


def test_who_has_run_its_jobs_is_worn_out():
    wear = Wear(max_jobs=3, max_bytes=None)
    assert [wear.look(10.0, ended) for ended in (0, 2, 3)] == [None, None, "it has run 3 jobs"]
