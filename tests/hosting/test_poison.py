"""A task is set aside after three proven kills within a minute, and for as long as they go on."""

from jobhost.hosting.poison import PROOFS, WINDOW_SECONDS, Poison, window_seconds


def test_three_proofs_within_a_minute_set_a_task_aside_and_only_that_one() -> None:
    poison = Poison()
    for second in range(PROOFS):
        assert poison.aside(float(second)) == frozenset()
        poison.note("bad", float(second))
        poison.note(f"other {second}", float(second))
    assert poison.aside(2.0) == {"bad"}


def test_proofs_that_are_far_apart_do_not_count_together() -> None:
    poison = Poison()
    for minute in range(10):
        poison.note("seldom", minute * WINDOW_SECONDS)
        assert poison.aside(minute * WINDOW_SECONDS) == frozenset()


def test_a_task_comes_back_when_a_minute_has_passed_since_the_third_last_proof() -> None:
    poison = Poison()
    for second in (0.0, 10.0, 20.0):
        poison.note("bad", second)
    assert poison.aside(WINDOW_SECONDS - 0.1) == {"bad"}
    assert poison.aside(WINDOW_SECONDS) == frozenset()
    poison.note("bad", WINDOW_SECONDS + 5)
    assert poison.aside(WINDOW_SECONDS + 5) == {"bad"}
    assert poison.aside(WINDOW_SECONDS + 20) == frozenset()


def test_the_window_is_as_much_longer_as_the_starts_before_the_proofs() -> None:
    poison = Poison()
    for start in range(1, PROOFS + 1):
        poison.note("bad", start * 100.0)
    last = PROOFS * 100.0

    assert poison.aside(last, 100.0) == {"bad"}
    assert window_seconds(100.0) == WINDOW_SECONDS + PROOFS * 100.0
    assert poison.aside(100.0 + window_seconds(100.0), 100.0) == frozenset()
