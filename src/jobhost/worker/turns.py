"""Notes when each turn of an event loop began, for whoever watches it from another thread."""

import selectors
import time


class Turns(selectors.DefaultSelector):
    """The selector of an event loop: what runs between two waits is one turn.

    `began` is the instant at which the present turn began, in monotonic seconds; None while the
    loop waits. Two reads that agree mean that it is still the same turn.
    """

    began: float | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait, as any selector does."""
        self.began = None
        ready = super().select(timeout)
        self.began = time.monotonic()
        return ready
