"""`jobhost worker --stall-after`: who holds up the event loop for longer is named in the log."""

import pytest
from commands import Shop


@pytest.mark.parametrize(
    ("span", "named"), [("100ms", True), ("1h", False), ("never", False)], ids=str
)
def test_a_job_that_holds_up_the_loop_is_named_after_the_time_of_the_option(
    shop: Shop, span: str, named: bool
) -> None:
    shop.enqueue("block_loop", "[1.0]")
    done = shop.call("worker", "shop:host", "--burst", "--stall-after", span)

    assert done.code == 0
    assert ("has held up the event loop" in done.err) == named


@pytest.mark.parametrize("span", ["0s", "soon"])
def test_what_is_no_span_of_time_is_refused(shop: Shop, span: str) -> None:
    done = shop.call("worker", "shop:host", "--burst", "--stall-after", span)

    assert done.code == 2
    assert "stall_after" in done.err
