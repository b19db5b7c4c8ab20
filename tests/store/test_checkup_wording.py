"""Findings are sentences, of one thing and of many."""

import pytest

from jobhost.store.checkup import judge_waiting


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (1, "1 job of task 'mail' waits for a worker that knows it"),
        (2, "2 jobs of task 'mail' wait for a worker that knows it"),
    ],
)
def test_one_job_waits_and_two_wait(count: int, sentence: str) -> None:
    [found] = judge_waiting([], frozenset(), [("mail", count)])
    assert found.sentence == sentence
