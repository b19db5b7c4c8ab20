"""How much the next cycle records and claims."""

from hypothesis import given
from hypothesis import strategies as st

from jobhost.jobs.outcomes import COMPLETED, Counts, ErrorInfo, Failed, decide
from jobhost.jobs.records import Delivery, Ended
from jobhost.jobs.retries import Retry
from jobhost.store.plans.portions import BATCH_BYTES_MAX, BATCH_MAX
from jobhost.worker.portion import QUICK_SECONDS, SLOW_SECONDS, Portion, weight

FREE = 10_000
BETWEEN_SECONDS = (QUICK_SECONDS + SLOW_SECONDS) / 2


def ended(job: int, size: int = 2) -> Ended:
    return Ended(job, 1, 5, COMPLETED, "x" * size)


def delivery(size: int, envelope: str | None = None) -> Delivery:
    return Delivery(
        job=1, epoch=1, deliveries=1, failures=0, crashes=0, queue="q", priority=0, id=b"",
        task="t", payload="x" * size, envelope=envelope, parent=None, created_at=0, lane=1, seq=1,
    )  # fmt: skip


def settled(portion: Portion, size: int) -> Portion:
    """After claims whose payloads were all of this size."""
    for _ in range(40):
        portion.answered(0.0, [delivery(size)], ended=0, slots=1)
    return portion


def all_portions(portion: Portion, pending: list[Ended]) -> list[list[Ended]]:
    found = []
    while pending:
        found.append(list(portion.of(pending)))
        assert found[-1], "an end would wait for ever"
        pending = pending[len(found[-1]) :]
    return found


sizes = st.lists(st.integers(0, 6).map(lambda exponent: 8**exponent * 16), max_size=80)


@given(sizes, st.integers(0, 12))
def test_each_end_is_carried_once_in_order_and_within_the_bounds(
    sizes: list[int], failures: int
) -> None:
    portion = Portion()
    pending = [ended(job, size) for job, size in enumerate(sizes)]
    for _ in range(failures):
        portion.failed(ended=len(portion.of(pending)), slots=0)
    split = all_portions(portion, pending)
    assert [end for part in split for end in part] == pending
    for part in split:
        assert sum(map(weight, part)) <= BATCH_BYTES_MAX or len(part) == 1
        assert len(part) <= max(1, len(pending) >> failures)


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_what_fails_again_and_again_is_halved_down_to_one_job(jobs: int, free: int) -> None:
    portion = settled(Portion(), 1)
    pending = [ended(job) for job in range(jobs)]
    for _ in range(12):
        carried, asked = len(portion.of(pending)), portion.slots(free, left=0)
        portion.failed(ended=carried, slots=asked)
        assert len(portion.of(pending)) == max(1, carried // 2)
        assert portion.slots(free, left=0) == max(1, asked // 2)
    assert (len(portion.of(pending)), portion.slots(free, left=0)) == (1, 1)


def test_after_quick_cycles_it_grows_to_what_it_was() -> None:
    portion = settled(Portion(), 1)
    pending = [ended(job) for job in range(5000)]
    for _ in range(12):
        portion.failed(ended=len(portion.of(pending)), slots=portion.slots(FREE, left=0))
    grown = []
    for _ in range(12):
        grown.append((len(portion.of(pending)), portion.slots(FREE, left=0)))
        portion.answered(0.0, [], ended=1, slots=1)
    assert grown[:4] == [(1, 1), (2, 2), (4, 4), (8, 8)]
    assert grown[-1] == (BATCH_MAX, BATCH_MAX)


def test_a_slow_cycle_is_halved_before_it_fails_and_one_between_is_left_alone() -> None:
    portion = settled(Portion(), 1)
    portion.answered(SLOW_SECONDS + 1, [], ended=80, slots=60)
    pending = [ended(job) for job in range(5000)]
    assert (len(portion.of(pending)), portion.slots(FREE, left=0)) == (40, 30)
    portion.answered(BETWEEN_SECONDS, [], ended=40, slots=30)
    assert (len(portion.of(pending)), portion.slots(FREE, left=0)) == (40, 30)


def test_what_a_failed_cycle_did_not_do_was_not_too_much() -> None:
    portion = settled(Portion(), 1)
    portion.failed(ended=8, slots=0)
    assert portion.slots(FREE, left=0) == BATCH_MAX
    portion = settled(Portion(), 1)
    portion.failed(ended=0, slots=8)
    assert len(portion.of([ended(job) for job in range(5000)])) == BATCH_MAX


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_an_end_that_is_not_recorded_keeps_its_slot(free: int, left: int) -> None:
    asked = settled(Portion(), 1).slots(free, left=left)
    assert asked == min(max(free - left, 0), BATCH_MAX)


def test_before_the_first_claim_payloads_are_taken_to_be_as_long_as_they_may() -> None:
    assert Portion().slots(FREE, left=0) == 4


@given(st.integers(1, 5_000_000))
def test_claims_keep_to_the_bytes_of_what_came_last(size: int) -> None:
    asked = settled(Portion(), size).slots(FREE, left=0)
    assert asked == min(BATCH_MAX, max(1, BATCH_BYTES_MAX // size))


def test_long_payloads_count_at_once_and_are_forgotten_by_halves() -> None:
    portion = settled(Portion(), 100)
    assert portion.slots(FREE, left=0) == BATCH_MAX
    portion.answered(0.0, [delivery(1024 * 1024)], ended=0, slots=1)
    asked = []
    for _ in range(9):
        asked.append(portion.slots(FREE, left=0))
        portion.answered(0.0, [delivery(100)], ended=0, slots=1)
    assert asked == [4, 8, 16, 32, 64, 128, 256, 512, BATCH_MAX]


def test_an_envelope_counts_with_its_payload() -> None:
    portion = Portion()
    for _ in range(40):
        portion.answered(0.0, [delivery(0, "x" * 1024 * 1024)], ended=0, slots=1)
    assert portion.slots(FREE, left=0) == 4


def test_the_texts_of_an_error_count_as_a_result_does() -> None:
    error = ErrorInfo(type="E", message="m" * 1000, traceback="t" * 5000)
    settlement = decide(Failed(error=error, names=("E",)), Counts(), Retry(), chance=0.0)
    assert weight(Ended(1, 1, 5, settlement)) > 6000
