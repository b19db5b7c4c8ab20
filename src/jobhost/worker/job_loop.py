"""The event loop of the jobs, in a thread of its own, which no job can stop."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

from jobhost.worker.turns import Turns

_CLOSE_SECONDS = 1.0


class JobLoop:
    """One event loop and its thread.

    Args:
        on_end: Called in that thread before the loop is closed: nothing must call it any more.

    `turns` can be watched from other threads, `thread` is the one that runs it.
    """

    def __init__(self, on_end: Callable[[], None]) -> None:
        self.turns = Turns()
        self.loop = asyncio.SelectorEventLoop(self.turns)
        self.thread = threading.Thread(target=self._run, name="jobhost-loop", daemon=True)
        self._on_end = on_end
        self._closing = False

    def start(self) -> None:
        """Start the thread."""
        self.thread.start()

    def close(self) -> None:
        """Stop the thread, if it still answers."""
        self._closing = True
        # One turn later: what a cancel in this turn has woken still runs.
        self.loop.call_soon_threadsafe(self.loop.call_soon, self.loop.stop)
        self.thread.join(timeout=_CLOSE_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        stopped = False
        try:
            while not stopped:
                # A task that a job started may raise these two; the loop passes them on, and
                # only the job that wanted to end the program should be the worse for it.
                # One that stops the loop would stop its siblings: only `close` may.
                with suppress(SystemExit, KeyboardInterrupt):
                    self.loop.run_forever()
                    stopped = self._closing
        finally:
            self._on_end()
            self.loop.close()
