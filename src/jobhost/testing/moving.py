"""What is due by the store's clock, once it was moved: the passes that living workers make."""

from datetime import timedelta

from jobhost.store.plans.expiry import expire
from jobhost.store.plans.hours import keep_hours
from jobhost.store.plans.stage import stage
from jobhost.store.seam import Store


def bring_up_to_date(store: Store) -> timedelta | None:
    """Make ready what is due, end what has expired and open what has hours, until nothing is left
    to do.

    Returns the time until something else is due; None: nothing is. Nobody's jobs are set aside for
    want of a worker: between two drains there is none.
    """
    staged = store.write(lambda: stage(()))
    while staged.more:
        staged = store.write(lambda: stage(()))
    expired = store.write(expire)
    while expired.more:
        expired = store.write(expire)
    kept = store.write(keep_hours)
    dues = (staged.due_in_us, expired.due_in_us, kept.change_in_us)
    soon = [us for us in dues if us is not None and us > 0]
    return timedelta(microseconds=min(soon)) if soon else None
