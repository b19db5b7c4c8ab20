"""The start of a worker whose store is away: it tries again, for a while."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from jobhost.errors import StoreBusy, StoreError
from jobhost.events import Events, StoreBack, StoreTrouble
from jobhost.store.passing import passes
from jobhost.worker.own_process import SIGNAL_LOOK_SECONDS
from jobhost.worker.store_loop import store_back_off

_START_SECONDS: Final = 120.0
"""A worker that starts while its server is away waits so long: beyond a restart, and not for ever,
since it may be the address that is wrong. Whoever keeps it running then starts it again."""

T = TypeVar("T")


def begin_when_there(
    start: Callable[[], T], events: Events, *, stopped: Callable[[], bool], waits: bool
) -> T | None:
    """What `start` gives, as soon as the store lets it; None if the worker was stopped before.

    Args:
        start: Starts the worker; raises StoreError.
        events: Who hears that the store is away, and back.
        stopped: Whether somebody has asked the worker to stop.
        waits: Whether it tries again at all.

    Raises StoreError for what does not pass by itself, or has not passed in time.
    """
    back_off, end = store_back_off(), time.monotonic() + _START_SECONDS
    failed = False
    while True:
        try:
            started = start()
        except StoreError as error:
            if stopped():
                return None
            pause = back_off.failed()
            may_pass = waits and (isinstance(error, StoreBusy) or passes(error))
            if not may_pass or time.monotonic() + pause > end:
                raise
            failed = True
            events.emit(StoreTrouble(error=str(error), retry_seconds=pause))
        else:
            if failed:
                events.emit(StoreBack())
            return started
        if not _sleep_unless(stopped, pause):
            return None


def _sleep_unless(stopped: Callable[[], bool], seconds: float) -> bool:
    """Returns whether nobody has asked the worker to stop meanwhile."""
    end = time.monotonic() + seconds
    while not stopped() and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, SIGNAL_LOOK_SECONDS))
    return not stopped()
