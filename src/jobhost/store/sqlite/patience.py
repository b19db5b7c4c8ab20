"""How long a connection waits for others. Who is in a hurry cuts it short from another thread."""

import time


class Patience:
    """The longest wait of one connection.

    Args:
        seconds: Of each wait.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def shorten(self, seconds: float) -> None:
        """No wait is longer than this from now on, one that is going on included. From any
        thread, and from a signal handler."""
        self.seconds = min(self.seconds, seconds)

    def wait(self) -> "Wait":
        """A wait that begins now."""
        return Wait(self)


class Wait:
    """One wait, for whatever stands in the way one after the other. It must be looked at often:
    its end comes nearer when the patience is shortened."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._began = time.monotonic()

    @property
    def lasted(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    @property
    def left(self) -> float:
        """Seconds until it is over; 0 when it is."""
        return max(0.0, self._patience.seconds - self.lasted)
