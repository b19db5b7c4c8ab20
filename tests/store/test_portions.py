"""How much one transaction carries."""

from collections.abc import Iterator
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from jobhost.store.plans.portions import BATCH_BYTES_MAX, BATCH_MAX, byte_length, portions

KIB = 1024
TEXTS = ["x" * (blocks * 256 * KIB) for blocks in range(21)]

texts = st.lists(st.sampled_from(range(21)).map(TEXTS.__getitem__), max_size=60)
each_bytes = st.integers(0, 300 * KIB)


@given(texts, each_bytes)
def test_each_text_is_in_one_portion_and_all_keep_their_order(given: list[str], each: int) -> None:
    assert [text for portion in portions(given, each) for text in portion] == given


@given(texts, each_bytes)
def test_a_portion_keeps_to_the_bytes_or_is_one_text_alone(given: list[str], each: int) -> None:
    for portion in portions(given, each):
        assert portion
        size = sum(byte_length(text) + each for text in portion)
        assert size <= BATCH_BYTES_MAX or len(portion) == 1


@given(texts, each_bytes)
def test_no_portion_would_have_taken_the_text_after_it(given: list[str], each: int) -> None:
    split = list(portions(given, each))
    for portion, after in pairwise(split):
        size = sum(byte_length(text) + each for text in [*portion, after[0]])
        full = sum(byte_length(text) + each for text in portion) >= BATCH_BYTES_MAX
        assert size > BATCH_BYTES_MAX or len(portion) == BATCH_MAX or full


@given(st.integers(0, 3 * BATCH_MAX + 1))
def test_short_texts_go_by_their_number(count: int) -> None:
    sizes = [len(portion) for portion in portions(["1"] * count)]
    whole, rest = divmod(count, BATCH_MAX)
    assert sizes == [BATCH_MAX] * whole + [rest] * bool(rest)


@given(st.text(max_size=50))
def test_bytes_are_those_of_utf_8(text: str) -> None:
    assert byte_length(text) == len(text.encode())


def test_a_full_portion_is_there_before_the_next_text_is_asked_for() -> None:
    asked = []

    def numbers() -> Iterator[str]:
        for number in range(5 * BATCH_MAX):
            asked.append(number)
            yield str(number)

    split = portions(numbers())
    assert asked == []
    for count in (1, 2, 3):
        assert len(next(split)) == BATCH_MAX
        assert len(asked) == count * BATCH_MAX


def test_of_long_texts_one_more_than_a_portion_has_been_asked_for() -> None:
    asked = []

    def megabytes() -> Iterator[str]:
        for number in range(100):
            asked.append(number)
            yield "x" * 1_000_000

    assert len(next(portions(megabytes()))) == 4
    assert len(asked) == 5


def test_a_text_that_no_store_takes_has_a_length_all_the_same() -> None:
    assert byte_length("\ud800") == 3
