"""A worker whose registrations are lost again and again gets another more and more seldom."""

from jobhost.hosting.patience import CALM_SECONDS, FIRST_SECONDS, LONGEST_SECONDS, Reentry


def _pause(reentry: Reentry, number: int, now: float) -> float:
    """How long after its loss a number is replaced; in steps of a second."""
    reentry.lose(number, now)
    return next(wait for wait in range(1000) if reentry.take_due(now + wait) == number)


def test_the_first_loss_is_made_good_at_once_and_each_after_it_later():
    reentry, now, pauses = Reentry(), 1000.0, []
    for number in range(1, 9):
        pauses.append(_pause(reentry, number, now))
        now += pauses[-1]
    longest = LONGEST_SECONDS
    assert pauses == [0.0, FIRST_SECONDS, 2.0, 4.0, 8.0, 16.0, longest, longest]


def test_a_registration_that_has_lasted_makes_the_next_loss_the_first_again():
    reentry, now = Reentry(), 1000.0
    for number in range(1, 5):
        now += _pause(reentry, number, now)

    assert _pause(reentry, 5, now + CALM_SECONDS - 1) == 8.0
    assert _pause(reentry, 6, now + CALM_SECONDS - 1 + 8.0 + CALM_SECONDS) == 0.0


def test_one_loss_that_is_told_twice_is_one_loss():
    reentry = Reentry()
    reentry.lose(7, 1000.0)
    reentry.lose(7, 1000.0)

    assert reentry.take_due(1000.0) == 7
    reentry.lose(7, 1001.0)
    assert reentry.take_due(2000.0) is None
