"""Which queue is asked first."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from jobhost.worker.rotation import Rotation

_WEIGHTS = st.dictionaries(
    st.sampled_from([f"queue-{n}" for n in range(8)]), st.integers(1, 20), min_size=1
)


@given(_WEIGHTS, st.integers(1, 3))
def test_over_full_rounds_each_queue_is_first_as_often_as_its_weight(weights, rounds):
    rotation = Rotation(weights)
    turns = [rotation.turn()[0] for _ in range(sum(weights.values()) * rounds)]

    first = Counter(turns)

    assert first == {name: weight * rounds for name, weight in weights.items()}


@given(_WEIGHTS, st.integers(0, 100))
def test_every_turn_asks_every_queue_once(weights, turns):
    rotation = Rotation(weights)
    for _ in range(turns):
        rotation.turn()

    assert sorted(rotation.turn()) == sorted(weights)


@given(_WEIGHTS)
def test_a_heavy_queue_never_keeps_a_light_one_waiting_longer_than_a_round(weights):
    rotation = Rotation(weights)
    turns = [rotation.turn()[0] for _ in range(2 * sum(weights.values()))]

    for name in weights:
        places = [at for at, first in enumerate(turns) if first == name]
        gaps = [after - before for before, after in pairwise(places)]
        assert max(gaps, default=1) <= sum(weights.values())


def test_equal_queues_take_turns_in_the_order_given():
    rotation = Rotation({"a": 1, "b": 1, "c": 1})

    assert [rotation.turn()[0] for _ in range(6)] == ["a", "b", "c", "a", "b", "c"]
