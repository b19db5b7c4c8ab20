"""What the parts of one host share: its store, its defaults, its limits."""

import threading
from collections.abc import Callable, Mapping
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
        queues: Options by queue.
        payload_bytes_max: Limit of a payload and of a result as JSON, in bytes.
    """

    open_store: Callable[[], Store]
    defaults: Options = field(default_factory=Options)
    queues: Mapping[str, Options] = field(default_factory=dict)
    payload_bytes_max: int = PAYLOAD_BYTES_MAX
    _store: Store | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def store(self) -> Store:
        """The host's store."""
        if self._store is None:
            with self._lock:
                if self._store is None:
                    self._store = self.open_store()
        return self._store

    def close(self) -> None:
        """Close the store if it was opened."""
        if self._store is not None:
            self._store.close()
