"""Counts with their nouns."""

import pytest

from jobhost.plurals import counted


@pytest.mark.parametrize(
    ("count", "words", "text"),
    [
        (0, ["job"], "0 jobs"),
        (1, ["job"], "1 job"),
        (2, ["job"], "2 jobs"),
        (1, ["delivery", "deliveries"], "1 delivery"),
        (12345, ["delivery", "deliveries"], "12,345 deliveries"),
    ],
)
def test_one_is_singular_and_all_others_are_plural(count: int, words: list[str], text: str) -> None:
    assert counted(count, *words) == text
