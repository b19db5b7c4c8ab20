"""How long to wait for a store that fails."""

from jobhost.worker.back_off import BackOff


def test_pauses_double_with_jitter_up_to_the_longest():
    back_off = BackOff(0.1, 5.0)

    pauses = [back_off.failed() for _ in range(8)]

    longest = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, longest, strict=True))


def test_after_a_success_the_next_failure_is_a_first_one():
    back_off = BackOff(0.1, 5.0)
    for _ in range(8):
        back_off.failed()

    back_off.succeeded()

    assert back_off.failed() <= 0.1


def test_a_store_that_fails_for_years_is_still_waited_for():
    back_off = BackOff(0.1, 5.0)

    pauses = [back_off.failed() for _ in range(5_000)]

    assert 2.5 <= pauses[-1] <= 5.0
