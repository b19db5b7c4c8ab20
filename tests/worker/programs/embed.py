"""A worker inside another program: `embed.py URL FOLDER KIND`.

async: a program with an event loop, which runs until SIGTERM. fork: a worker that is started before
a fork and one that is started after it.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from chores import Chores

from jobhost import JobHost, UsageError


async def serve(host: JobHost) -> None:
    """Like a server: its own handler for SIGTERM, and a clean end."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with host.worker(concurrency=4, lease="10m"):
        print("ready", flush=True)
        await stopped.wait()


def fork(host: JobHost, chores: Chores) -> None:
    """The parent's worker goes on; the child is told, and starts one of its own."""
    with host.worker() as worker:
        pid = os.fork()
        if pid == 0:
            in_child(host, chores, worker)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert worker.running
        print(chores.note.enqueue("parent").result("60s"))


def in_child(host: JobHost, chores: Chores, inherited) -> None:
    """Leaves through os._exit: what was inherited is the parent's to close."""
    for use in (
        lambda: inherited.running,
        inherited.stop,
        inherited.__enter__,
        lambda: inherited.__exit__(None, None, None),
    ):
        try:
            use()
        except UsageError as error:
            print(error)
        else:
            os._exit(1)
    with host.worker():
        print(chores.note.enqueue("child").result("60s"), flush=True)


def main() -> None:
    url, folder, kind = sys.argv[1:]
    with JobHost(url) as host:
        chores = Chores(host, Path(folder))
        if kind == "async":
            asyncio.run(serve(host))
        else:
            fork(host, chores)


if __name__ == "__main__":
    main()
