"""How a view that stays on a terminal is left."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def left_by_signals() -> Iterator[None]:
    """Ctrl-C and SIGTERM end what is within, in order: the terminal becomes as it was."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
