"""What a node makes of its command line."""

import sys

import pytest

from jobhost import UsageError
from jobhost.cli.worker import at_least_1s, silence_of
from jobhost.hosting.process import command_line


@pytest.mark.parametrize(
    ("given", "lease", "expected"),
    [(None, 30.0, 20.0), (None, 600.0, 20.0), (None, 6.0, 4.0), (None, 1.2, 1.0), ("5s", 6.0, 5.0)],
)
def test_a_worker_may_be_silent_for_a_part_of_the_lease(
    given: str | None, lease: float, expected: float
) -> None:
    assert silence_of(given, lease) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("given", "lease"), [("30s", 30.0), ("1m", 30.0), (None, 1.0), (None, 0.1)]
)
def test_a_silence_as_long_as_the_lease_is_refused_with_both_names(
    given: str | None, lease: float
) -> None:
    with pytest.raises(UsageError, match="--unresponsive-after must be shorter than --lease"):
        silence_of(given, lease)


@pytest.mark.parametrize("option", ["--unresponsive-after", "--start-limit"])
def test_no_patience_is_shorter_than_a_second(option: str) -> None:
    assert at_least_1s("1s", option) == 1.0
    with pytest.raises(UsageError, match=f"{option} must be at least 1s; got '999ms'"):
        at_least_1s("999ms", option)


def test_what_the_node_adds_stands_before_what_is_no_option() -> None:
    assert command_line(["worker", "--", "app:host"], 7, lane=True)[3:] == [
        "worker", "--link", "7", "--lane", "--", "app:host",
    ]  # fmt: skip
    assert command_line(["worker", "app:host"], 7, lane=False) == [
        sys.executable, "-m", "jobhost", "worker", "--link", "7", "app:host",
    ]  # fmt: skip
