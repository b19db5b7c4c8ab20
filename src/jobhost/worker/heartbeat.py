"""Renews the lease from a thread and a connection of its own, so that neither a blocked event
loop nor a long batch can lose it."""

import threading
from collections.abc import Callable
from typing import Final

from jobhost.clock import microseconds
from jobhost.errors import StoreError
from jobhost.events import Events, StoreBack, StoreTrouble
from jobhost.store.plans.nodes import Pulse, heartbeat
from jobhost.store.seam import Session, Store
from jobhost.worker.vitals import if_told

_RETRY_SECONDS: Final = 1.0
"""After a failed renewal: several more tries fit into the rest of the lease."""

_WAIT_SECONDS_MIN: Final = 5.0
"""No renewal waits longer for its answer than until the next one would be due, so that another on a
new connection still comes in time; but for very short leases so long as any lock is waited for."""


class Heartbeat:
    """The lease of one node.

    Args:
        store: Where the lease is.
        node: The node's number.
        lease_seconds: How long each renewal lasts; it is renewed three times as often.
        events: Who hears, from the thread, of a store that fails: of the first failure in a row, of
            each with another error, and of the end.
        on_lost: Called from the thread when the lease was lost; the thread then ends.
        on_pulse: Called from the thread with what a renewal has told.
        vitals: Gives JSON about memory and load, for people.
    """

    def __init__(
        self,
        store: Store,
        node: int,
        *,
        lease_seconds: float,
        events: Events,
        on_lost: Callable[[], None],
        on_pulse: Callable[[Pulse], None],
        vitals: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._store = store
        self._node = node
        self._lease_us = microseconds(lease_seconds)
        self._pause = lease_seconds / 3
        self._events = events
        self._trouble: str | None = None
        self._on_lost = on_lost
        self._on_pulse = on_pulse
        self._vitals = vitals
        self._stop = threading.Event()
        self._session: Session | None = None
        self._thread = threading.Thread(target=self._run, name="jobhost-heartbeat", daemon=True)

    def start(self) -> None:
        """Start renewing."""
        self._thread.start()

    def stop(self) -> None:
        """Stop renewing; the lease then runs out unless the node leaves. A renewal that waits for
        the store is given up."""
        self._stop.set()
        if self._session is not None:
            self._session.hurry(0.0)
        self._thread.join(timeout=_RETRY_SECONDS)

    def run_once(self) -> Pulse:
        """One renewal. Raises StoreError."""
        if self._session is None:
            self._session = self._store.session()
            self._session.hurry(max(self._pause, _WAIT_SECONDS_MIN))
        vitals = if_told(self._vitals)
        return self._session.write(lambda: heartbeat(self._node, self._lease_us, vitals))

    def _run(self) -> None:
        pause = self._pause
        while not self._stop.wait(pause):
            try:
                pulse = self.run_once()
                if not pulse.renewed:
                    self._on_lost()
                    break
                self._on_pulse(pulse)
                pause = self._pause
                self._works()
            except Exception as error:  # noqa: BLE001 - whatever it is, the lease needs this thread
                pause = min(_RETRY_SECONDS, self._pause)
                self._fails(error, pause)
        if self._session is not None:
            self._session.close()

    def _works(self) -> None:
        if self._trouble is not None:
            self._trouble = None
            self._events.emit(StoreBack())

    def _fails(self, error: Exception, pause: float) -> None:
        """Tell it once. One that was given up for the end of this thread is no trouble."""
        said = str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
        if said != self._trouble and not self._stop.is_set():
            self._trouble = said
            self._events.emit(StoreTrouble(error=said, retry_seconds=pause))
