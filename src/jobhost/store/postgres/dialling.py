"""Makes a connection without being held up by it.

The driver's limit for that is some seconds at the least, and holds for each address of a name;
whoever is in a hurry must not sit in it. So a thread connects, and is waited for only so long. What
it has begun is not lost: the next wait is for the same attempt, so that a server far away is
reached after all.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import psycopg

from jobhost.store.postgres.watchdog import Wait

_LOOK_SECONDS: Final = 0.1
"""Between looks at how long the wait may be: a signal handler may shorten it."""

Raw = psycopg.Connection[Any]


class Dialling:
    """The connections of one owner, made one at a time; in the hands of one thread at a time.

    Args:
        connect: Makes one; called in another thread.
        wait: Says how long its owner waits for the server.
    """

    def __init__(self, connect: Callable[[], Raw], wait: Wait) -> None:
        self._connect = connect
        self._wait = wait
        self._attempt: _Attempt | None = None

    def connection(self) -> Raw:
        """A new connection. Raises what the driver raises, and ConnectionTimeout when its owner
        has no more time for the attempt, which goes on."""
        attempt = self._attempt
        if attempt is None or attempt.has_failed:
            attempt = self._attempt = _Attempt(self._connect)
        if not self._came(attempt):
            raise psycopg.errors.ConnectionTimeout("no connection in the time that was left for it")
        self._attempt = None
        return attempt.result()

    def give_up(self) -> None:
        """Close what an attempt brings that nobody waits for any more. Idempotent."""
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.give_up()

    def _came(self, attempt: "_Attempt") -> bool:
        """Wait for it: as long as the driver does, unless the owner is in a hurry."""
        waited = 0.0
        hurried_at: float | None = None
        while not attempt.over.wait(_LOOK_SECONDS):
            waited += _LOOK_SECONDS
            if self._wait.hurried and hurried_at is None:
                hurried_at = waited - _LOOK_SECONDS
            if hurried_at is not None and waited >= hurried_at + self._wait.seconds:
                return False
        return True


class _Attempt:
    """One, in a thread of its own."""

    def __init__(self, connect: Callable[[], Raw]) -> None:
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._connect = connect
        self._raw: Raw | None = None
        self._error: BaseException | None = None
        self._given_up = False
        thread = threading.Thread(target=self._run, name="jobhost-connect", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no room for a thread: then it is waited for
            self._run()

    @property
    def has_failed(self) -> bool:
        """Whether it is over without a connection."""
        return self._error is not None

    def result(self) -> Raw:
        """The connection, once it is over; or raises what the driver raised."""
        if self._error is not None:
            raise self._error
        assert self._raw is not None
        return self._raw

    def give_up(self) -> None:
        """Nobody wants it: what is there, or comes, is closed."""
        with self._lock:
            self._given_up = True
            _close(self._raw)

    def _run(self) -> None:
        try:
            raw = self._connect()
        except BaseException as error:  # noqa: BLE001 - raised by whoever waits
            self._error = error
        else:
            with self._lock:
                self._raw = raw
                if self._given_up:
                    _close(raw)
        self.over.set()


def _close(raw: Raw | None) -> None:
    if raw is not None:
        with suppress(psycopg.Error):
            raw.close()
