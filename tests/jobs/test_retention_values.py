"""How long ended jobs are kept, as a value."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from jobhost import Retention
from jobhost.clock import Instant, SystemClock
from jobhost.errors import InvalidOption
from jobhost.ids import new_ids
from jobhost.jobs.states import State

DAY_US = 86_400_000_000


def test_by_default_ended_jobs_are_kept_a_week_and_dead_ones_ninety_days() -> None:
    assert Retention().spans() == {
        State.SUCCEEDED: 7 * DAY_US,
        State.CANCELLED: 7 * DAY_US,
        State.DEAD: 90 * DAY_US,
    }


def test_none_keeps_jobs_for_ever() -> None:
    kept = Retention(succeeded=timedelta(days=1), cancelled=None, dead=None)
    assert kept.spans() == {State.SUCCEEDED: DAY_US}
    assert Retention(succeeded=None, cancelled=None, dead=None).spans() == {}


@pytest.mark.parametrize("value", ["0d", "a week", 7, timedelta(-1)])
def test_a_bad_time_is_refused(value: object) -> None:
    with pytest.raises(InvalidOption, match="dead"):
        Retention(dead=value)  # type: ignore[arg-type]


@pytest.mark.requirement("R-RES-7")
def test_an_id_older_than_the_shortest_time_may_have_been_deleted_and_a_younger_one_not() -> None:
    now = SystemClock().now()
    job = UUID(bytes=new_ids(1)[0])
    kept = Retention(succeeded="7d", dead="1d")
    assert not kept.has_outlived(job, now)
    assert not kept.has_outlived(job, Instant(now + DAY_US // 2))
    assert kept.has_outlived(job, Instant(now + DAY_US + 1_000_000))


def test_nothing_can_be_told_of_an_id_without_a_time_or_where_all_is_kept() -> None:
    later = Instant(SystemClock().now() + 1000 * DAY_US)
    assert not Retention().has_outlived(uuid4(), later)
    for_ever = Retention(succeeded=None, cancelled=None, dead=None)
    assert not for_ever.has_outlived(UUID(bytes=new_ids(1)[0]), later)
