"""What calls with keys come to, decided on values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhost.clock import Instant
from jobhost.errors import UniqueKeyTaken
from jobhost.jobs.keys import (
    Call,
    First,
    Held,
    Holder,
    JobKeys,
    KeyRules,
    OnTaken,
    Standing,
    decide,
    digest,
    due_at,
)

NOW = Instant(1000)
HOLDER = Holder(7, b"h" * 16, 0, Standing.WAITING, False, None, Instant(0))


@pytest.mark.parametrize(
    ("standing", "until_start", "held_until", "holds"),
    [
        (Standing.WAITING, False, None, True),
        (Standing.WAITING, True, None, True),
        (Standing.STARTED, False, None, True),
        (Standing.STARTED, True, None, False),
        (Standing.ENDED, False, None, False),
        (Standing.STARTED, True, 1001, True),
        (Standing.ENDED, False, 1001, True),
        (Standing.ENDED, False, 1000, False),
        (Standing.WAITING, True, 1, True),
    ],
)
def test_who_holds_a_key(
    standing: Standing, until_start: bool, held_until: Instant | None, holds: bool
) -> None:
    holder = HOLDER._replace(standing=standing, until_start=until_start, held_until=held_until)
    assert holder.holds(NOW) is holds


def test_a_debounced_job_is_put_off_up_to_its_bound() -> None:
    rules = KeyRules(debounce_us=10, debounce_max_us=25)
    assert [due_at(rules, Instant(now), Instant(0)) for now in (0, 10, 20, 30)] == [10, 20, 25, 25]
    assert due_at(KeyRules(), NOW, Instant(0)) is None


KEYS = st.builds(
    JobKeys, st.sampled_from([None, "i", "j"]), st.sampled_from([None, "u", "held", "ended"])
)
CALLS = st.lists(st.tuples(KEYS, st.sampled_from(["[1]", "[2]"])), max_size=8)


@given(given_calls=CALLS, on_taken=st.sampled_from(OnTaken), remembered=st.booleans())
def test_each_call_comes_to_one_job_and_each_key_to_one_taker(
    given_calls: list[tuple[JobKeys, str]], on_taken: OnTaken, remembered: bool
) -> None:
    calls = [
        Call(bytes([at]) * 16, "[1]" if keys.idempotency else payload, keys)
        for at, (keys, payload) in enumerate(given_calls)
    ]
    held = Held(
        now=NOW,
        task="work",
        firsts={"i": First(b"f" * 16, digest("[1]"))} if remembered else {},
        holders={"held": HOLDER, "ended": HOLDER._replace(standing=Standing.ENDED)},
    )
    try:
        done = decide(calls, KeyRules(on_taken=on_taken), held)
    except UniqueKeyTaken:
        assert on_taken is OnTaken.RAISE
        return
    made = {calls[at].id for at in done.made}
    assert {one.id for one in done.accepted if one.is_new} == made
    assert {one.id for one in done.accepted} <= made | {HOLDER.id, b"f" * 16}
    assert len([one for one in done.accepted if one.is_new]) == len(made)
    assert all(calls[at].id in made for at in done.taken.values())
    assert "held" not in done.taken
    for key in ("i", "j"):
        ids = {
            one.id
            for one, call in zip(done.accepted, calls, strict=True)
            if call.keys.idempotency == key
        }
        assert len(ids) <= 1
    if on_taken is not OnTaken.REPLACE:
        assert not done.replaced
        assert all(done.made[at] == calls[at].payload for at in done.made)
