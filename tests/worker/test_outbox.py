"""Ended attempts on their way to the store thread."""

import threading

from jobhost.jobs.outcomes import COMPLETED
from jobhost.jobs.records import Ended
from jobhost.worker.outbox import Outbox


def _ended(job: int) -> Ended:
    return Ended(job, epoch=1, duration_us=5, settlement=COMPLETED, result="null")


def test_what_was_put_is_taken_once_and_in_order():
    outbox = Outbox(lambda: None)
    for job in (3, 1, 2):
        outbox.put(_ended(job))

    assert [ended.job for ended in outbox.take()] == [3, 1, 2]
    assert outbox.take() == []


def test_keys_tell_what_waits_without_taking_it():
    outbox = Outbox(lambda: None)
    outbox.put(_ended(7))

    assert outbox.keys() == {(7, 1)}
    assert len(outbox) == 1


def test_an_awake_store_thread_is_not_rung():
    rings: list[None] = []
    outbox = Outbox(lambda: rings.append(None))

    outbox.put(_ended(1))
    outbox.flush()

    assert not rings


def test_a_sleeping_store_thread_is_rung_once_for_many():
    rings: list[None] = []
    outbox = Outbox(lambda: rings.append(None))
    assert outbox.going_to_sleep()

    for job in range(5):
        outbox.put(_ended(job))
        outbox.flush()

    assert len(rings) == 1


def test_nobody_goes_to_sleep_beside_a_full_outbox():
    rings: list[None] = []
    outbox = Outbox(lambda: rings.append(None))
    outbox.put(_ended(1))

    assert not outbox.going_to_sleep()
    outbox.flush()
    assert not rings


def test_no_ended_attempt_is_left_to_a_thread_that_sleeps_for_ever():
    bell = threading.Semaphore(0)
    outbox = Outbox(bell.release)
    wanted, threads = 4 * 500, []
    for first in range(0, wanted, 500):

        def fill(first: int = first) -> None:
            for job in range(first, first + 500):
                outbox.put(_ended(job))
                outbox.flush()

        threads.append(threading.Thread(target=fill))
        threads[-1].start()
    taken: list[int] = []

    while len(taken) < wanted:
        if outbox.going_to_sleep():
            assert bell.acquire(timeout=30), "it sleeps although something waits for it"
            outbox.awake()
        taken += [ended.job for ended in outbox.take()]

    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(wanted))


def test_what_is_left_within_one_turn_is_waited_for_until_the_flush() -> None:
    rings: list[None] = []
    outbox = Outbox(lambda: rings.append(None))
    assert not outbox.is_filling()
    outbox.put(_ended(1))
    assert outbox.is_filling()
    outbox.put(_ended(2))
    outbox.flush()
    assert (len(rings), outbox.is_filling()) == (1, False)
    assert [ended.job for ended in outbox.take()] == [1, 2]
    assert not outbox.is_filling()
