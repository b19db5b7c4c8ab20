"""A thread beside an event loop, for a driver that waits: a whole plan is one hop to there."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class SideThread:
    """One thread, started by its first use. It belongs to the process that made it: a forked child
    makes its own."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="jobhost-store")

    async def hop(self, function: Callable[[], T]) -> T:
        """Run a function there; gives back what it returns or raises. One after the other."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)

    def close(self) -> None:
        """End it once it has done all that was asked of it. Idempotent."""
        self._executor.shutdown()
