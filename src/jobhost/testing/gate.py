"""The gate of queues in a test: it knows at once what was said, and nobody waits before it."""

from dataclasses import replace

from jobhost.host.capacity import Bound, Gate
from jobhost.store.seam import Store


class FreshGate(Gate):
    """Looks anew for each enqueue, since seconds pass in a test only when it says so. A wait for a
    place is over at once: nothing takes jobs out of a queue between two drains."""

    def look(self, store: Store) -> None:
        """Read what the store says of queues."""
        self._forget()
        super().look(store)

    async def look_async(self, store: Store) -> None:
        """`look` for a caller on an event loop."""
        self._forget()
        await super().look_async(store)

    def bound(self, queue: str) -> Bound | None:
        """What is said of a queue's size, but for the wait."""
        found = super().bound(queue)
        return None if found is None else replace(found, wait_seconds=0.0)

    def _forget(self) -> None:
        with self._lock:
            self._next = 0.0
            self._looks.clear()
