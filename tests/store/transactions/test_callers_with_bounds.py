"""Jobs that expire, and jobs for queues with a bound, in their caller's transaction, on every
store."""

from datetime import UTC, datetime, timedelta

import pytest

from jobhost import JobDead, JobNotFound, QueueFull, State, Task

from .conftest import Shop

Pack = Task[[str], str, str]
LATER = timedelta(hours=1)


@pytest.fixture
def pack(shop: Shop) -> Pack:
    @shop.host.task
    def pack(order: str) -> str:
        return f"packed {order}"

    return pack


def expiries(shop: Shop) -> list[int]:
    return [drop for (drop,) in shop.query("SELECT dropped FROM jobhost_expiry ORDER BY job")]


def let_time_pass(shop: Shop) -> None:
    """What expires at all is past its time."""
    shop.query("UPDATE jobhost_expiry SET expires_at = 1")


# --- expiry ------------------------------------------------------------------------------------


@pytest.mark.requirement("R-MSG-24")
def test_the_time_to_start_commits_and_goes_with_its_job(shop: Shop, pack: Pack) -> None:
    soon = pack.using(expires="1h")
    with shop.caller() as caller:
        soon.enqueue_with(caller, "gone")
        caller.rollback()
        assert (expiries(shop), shop.payloads) == ([], [])
        soon.enqueue_with(caller, "kept")
        pack.using(expires="1h", on_expiry="drop").enqueue_with(caller, "dropped")
        assert expiries(shop) == []
        caller.commit()
    assert [bool(drop) for drop in expiries(shop)] == [False, True]
    assert len(shop.payloads) == 2


@pytest.mark.requirement("R-MSG-24")
def test_a_job_of_a_callers_transaction_expires_like_any_other(shop: Shop, pack: Pack) -> None:
    with shop.caller() as caller:
        late, gone = (
            pack.using(expires=LATER, on_expiry=then).enqueue_with(caller, then)
            for then in ("dead", "drop")
        )
        plain = pack.enqueue_with(caller, "plain")
        many = pack.using(expires=datetime.now(UTC) + LATER).enqueue_many_with(
            caller, [("one",), ("two",)]
        )
        caller.commit()
    let_time_pass(shop)
    shop.host.worker(burst=True).run()
    assert plain.result() == "packed plain"
    for job in (late, *many):
        with pytest.raises(JobDead, match="expired"):
            job.result()
    with pytest.raises(JobNotFound):
        gone.status()


# --- queues with a bound -----------------------------------------------------------------------


@pytest.mark.requirement("R-PART-4")
@pytest.mark.parametrize("when_full", ["reject", "wait", "drop_oldest"])
def test_a_full_queue_refuses_in_a_callers_transaction_and_spoils_nothing(
    shop: Shop, pack: Pack, when_full: str
) -> None:
    """Nobody waits in it, and nothing is dropped for a commit that may not come."""
    shop.host.queue("small", capacity=2, when_full=when_full, wait="1h")
    small = pack.using(queue="small")
    waiting = small.enqueue_many([("1",), ("2",)])
    with shop.caller() as caller:
        caller.execute(shop.insert("before"))
        with pytest.raises(QueueFull, match="queue 'small' is full"):
            small.enqueue_with(caller, "3")
        with pytest.raises(QueueFull):
            small.enqueue_many_with(caller, [("3",)])
        other = pack.enqueue_with(caller, "another queue")
        caller.execute(shop.insert("then"))
        caller.commit()
    assert shop.names == ["before", "then"]
    assert [job.status().state for job in (*waiting, other)] == [State.READY] * 3
    assert len(shop.payloads) == 3


@pytest.mark.requirement("R-PART-4")
def test_a_queue_with_room_takes_jobs_of_a_callers_transaction(shop: Shop, pack: Pack) -> None:
    shop.host.queue("small", capacity=2)
    small = pack.using(queue="small")
    with shop.caller() as caller:
        small.enqueue_with(caller, "gone")
        caller.rollback()
        jobs = [small.enqueue_with(caller, "1")]
        caller.commit()
        jobs.append(small.enqueue_with(caller, "2"))
        caller.commit()
        with pytest.raises(QueueFull):
            small.enqueue_with(caller, "3")
    assert [job.status().queue for job in jobs] == ["small"] * 2
