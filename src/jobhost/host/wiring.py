"""What the parts of one host share: its store, its defaults, its limits."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from jobhost.clock import Clock, SystemClock
from jobhost.errors import UsageError
from jobhost.host.capacity import Gate
from jobhost.jobs.options import Options
from jobhost.jobs.payload import PAYLOAD_BYTES_MAX
from jobhost.jobs.retention import Retention
from jobhost.store.seam import Store

MakeGate = Callable[[Mapping[str, Mapping[str, Any]], Callable[[], None]], Gate]
"""Makes a gate of what is declared, and of whom to tell of changes."""


@dataclass(slots=True, kw_only=True)
class Wiring:
    """Made once by `JobHost`, handed to each task and handle.

    Args:
        open_store: Makes the store; called at its first use.
        defaults: The host's default options.
        queues: Options by queue; set with `set_queue`, which raises the `revision`.
        payload_bytes_max: Limit of a payload and of a result as JSON, in bytes.
        clock: The host's clock.
        retention: How long jobs that have ended are kept.
        declared: Settings of queues by name and column, which a worker stores when it starts.

    `gate` knows the settings that are in the store, and keeps to the bounds of queues.
    """

    open_store: Callable[[], Store]
    defaults: Options = field(default_factory=Options)
    queues: dict[str, Options] = field(default_factory=dict)
    payload_bytes_max: int = PAYLOAD_BYTES_MAX
    clock: Clock = field(default_factory=SystemClock)
    retention: Retention = field(default_factory=Retention)
    declared: dict[str, dict[str, Any]] = field(default_factory=dict)
    revision: int = 0
    gate: Gate = field(init=False)
    _store: Store | None = None
    _is_elsewhere: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.gate = Gate(self.declared, self._queues_changed)

    def _queues_changed(self) -> None:
        self.revision += 1

    def set_queue(self, name: str, options: Options) -> None:
        """Give a queue its options; jobs enqueued from now on follow them."""
        self.queues[name] = options
        self.revision += 1

    @property
    def store(self) -> Store:
        """The host's store."""
        store = self._store
        if store is None:
            with self._lock:
                if self._store is None:
                    self._store = self.open_store()
                store = self._store
        return store

    @contextmanager
    def elsewhere(
        self, open_store: Callable[[], Store], clock: Clock, make_gate: MakeGate
    ) -> Iterator[None]:
        """For the length of the block, and for all threads, this store, clock and gate. What there
        was before, open or not, is there again afterwards. Raises UsageError inside another such
        block."""
        with self._lock:
            if self._is_elsewhere:
                raise UsageError("this host is under test already, and has one store at a time")
            before = self.open_store, self.clock, self._store, self.gate
            self.open_store, self.clock, self._store = open_store, clock, None
            self.gate = make_gate(self.declared, self._queues_changed)
            self._is_elsewhere = True
        self._queues_changed()
        try:
            yield
        finally:
            self.close()
            with self._lock:
                self.open_store, self.clock, self._store, self.gate = before
                self._is_elsewhere = False
            self._queues_changed()

    def close(self) -> None:
        """Close the store if it was opened; the next use opens it anew."""
        with self._lock:
            store, self._store = self._store, None
        if store is not None:
            store.close()
