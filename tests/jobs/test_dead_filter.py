"""What an operator may say of dead letters."""

from datetime import UTC, datetime

import pytest

from jobhost.errors import InvalidOption
from jobhost.jobs.dead import DeadFilter

EARLY, LATE = datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"task": ""}, "task must be printable text"),
        ({"queue": " mail"}, "queue must be printable text"),
        ({"error": 3}, "error must be text"),
        ({"reason": ""}, "reason must be a part of the reason"),
        ({"since": datetime(2030, 1, 1)}, "since must be an aware datetime"),  # noqa: DTZ001
        ({"until": datetime(2030, 1, 1)}, "until must be an aware datetime"),  # noqa: DTZ001
        ({"since": LATE, "until": EARLY}, "exchange the two"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidOption, match=said):
        DeadFilter(**given)  # type: ignore[arg-type]


def test_nothing_said_means_all() -> None:
    assert DeadFilter().instants() == (None, None)
