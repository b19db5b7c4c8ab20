"""What the parts of one host share: its store, its defaults, its limits."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from jobhost.jobs.options import Options
from jobhost.jobs.payload import PAYLOAD_BYTES_MAX
from jobhost.store.seam import Store


@dataclass(slots=True, kw_only=True)
class Wiring:
    """Made once by `JobHost`, handed to each task and handle.

    Args:
        open_store: Makes the store; called at its first use.
        defaults: The host's default options.
        queues: Options by queue; set with `set_queue`, which raises the `revision`.
        payload_bytes_max: Limit of a payload and of a result as JSON, in bytes.
    """

    open_store: Callable[[], Store]
    defaults: Options = field(default_factory=Options)
    queues: dict[str, Options] = field(default_factory=dict)
    payload_bytes_max: int = PAYLOAD_BYTES_MAX
    revision: int = 0
    _store: Store | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

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

    def close(self) -> None:
        """Close the store if it was opened; the next use opens it anew."""
        with self._lock:
            store, self._store = self._store, None
        if store is not None:
            store.close()
