"""How far a job is, in few words."""

from datetime import UTC, datetime

import pytest

from jobhost.jobs.notes import Progress


def progress(done: float, total: float | None = None, message: str | None = None) -> Progress:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    return Progress(done=done, total=total, message=message, told_at=at, epoch=1)


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [
        (412, 1000, "412/1,000 41 %"),
        (0, 3, "0/3 0 %"),
        (2, 3, "2/3 66 %"),
        (999, 1000, "999/1,000 99 %"),
        (3, 3, "3/3 100 %"),
        (5, 3, "5/3 100 %"),
        (-1, 3, "-1/3 0 %"),
        (0.5, 2, "0.5/2 25 %"),
        (412, None, "412"),
        (412, 0, "412"),
    ],
)
def test_progress_is_told_in_few_characters_and_is_whole_only_at_the_end(
    done: float, total: float | None, text: str
) -> None:
    assert progress(done, total, "page 412").brief == text
