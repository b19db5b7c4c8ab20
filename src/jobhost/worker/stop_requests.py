"""What people ask of a worker: to stop, once or twice, or to drain as its terminal has closed."""

from collections import deque
from collections.abc import Callable

from jobhost.worker.drain import Signal


class StopRequests:
    """Those of one worker, in the order in which they came; `signals` has what nobody has heard of
    yet. From any thread, and from a signal handler.

    Args:
        hurry: Has the worker look at its signals soon.
    """

    def __init__(self, hurry: Callable[[], None]) -> None:
        self.signals: deque[Signal] = deque()
        self._hurry = hurry
        self._stops = 0
        self._hung_up = False

    @property
    def any(self) -> bool:
        """Whether the worker was asked to end at all."""
        return self._stops > 0 or self._hung_up

    def stop(self) -> int:
        """Stop, the second time at once; how often that was asked by now."""
        self._stops += 1
        self._put(Signal.STOP)
        return self._stops

    def hang_up(self) -> None:
        """The terminal has closed: a drain, however often it is told."""
        if not self._hung_up:
            self._hung_up = True
            self._put(Signal.DRAIN)

    def _put(self, signal: Signal) -> None:
        self.signals.append(signal)
        self._hurry()
