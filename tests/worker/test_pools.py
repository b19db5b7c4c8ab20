"""A queue for each priority, and a worker for each queue."""

import pytest

from jobhost import State

pytestmark = pytest.mark.stores("sqlite", "postgres")


@pytest.mark.requirement("R-PRIO-2")
def test_low_work_with_a_pool_of_its_own_is_slow_but_goes_on_while_high_work_piles_up(yard):
    yard.start(concurrency=1, queues=["high"])
    yard.start(concurrency=1, queues=["low"])
    held = yard.chores.hold.using(queue="high").enqueue("held")
    piled_up = [yard.chores.note.using(queue="high").enqueue(f"high-{n}") for n in range(50)]
    yard.started("held")

    low = [yard.chores.note.using(queue="low").enqueue(f"low-{n}") for n in range(5)]
    for job in low:
        job.result(timeout="60s")

    assert [job.status().state for job in piled_up] == [State.READY] * 50
    order = [name for name in yard.ledger.names("end") if name.startswith("low")]
    assert order == [f"low-{n}" for n in range(5)], "one at a time: slow"
    yard.go("held")
    for job in (held, *piled_up):
        job.result(timeout="60s")


@pytest.mark.requirement("R-PRIO-2")
def test_high_work_is_not_held_up_by_low_work_that_piles_up(yard):
    yard.start(concurrency=1, queues=["high"])
    yard.start(concurrency=1, queues=["low"])
    held = yard.chores.hold.using(queue="low").enqueue("held")
    piled_up = [yard.chores.note.using(queue="low").enqueue(f"low-{n}") for n in range(20)]
    yard.started("held")

    yard.chores.note.using(queue="high").enqueue("high").result(timeout="60s")

    assert [job.status().state for job in piled_up] == [State.READY] * 20
    yard.go("held")
    assert held.result(timeout="60s").startswith("by ")
