"""`--log-level` is read as people write it."""

import pytest
from commands import Call


@pytest.mark.usefixtures("_quiet_logs")
@pytest.mark.parametrize("level", ["warning", "WARNING", "Warning"])
def test_a_level_may_be_written_in_any_case(call: Call, level: str) -> None:
    done = call("worker", "shop:host", "--burst", "--log-level", level)
    assert (done.code, done.err) == (0, "")
