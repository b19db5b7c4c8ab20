"""The program that the commands under test work for; it is copied into a folder of its own."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from jobhost import Discard, JobHost, Retry, Snooze, current_job
from jobhost.errors import JobCancelled

print("shop was imported")

host = JobHost("sqlite:///shop.db")
number = 7


@host.task
def add(a: int, b: int = 1) -> int:
    return a + b


@host.task
def describe() -> dict[str, str]:
    job = current_job()
    return {"id": str(job.id), "trigger": job.trigger[1], "pid": str(os.getpid())}


@host.task
def boom(text: str = "it broke") -> None:
    raise ValueError(text)


@host.task(retry=Retry(max_attempts=1))
def boom_once() -> None:
    raise ValueError("it broke")


@host.task(retry=Retry(max_attempts=2, first_delay="1h"))
def patient() -> None:
    raise ValueError("not yet")


@host.task
def drop() -> None:
    raise Discard("nobody needs it")


@host.task
def later() -> None:
    raise Snooze("1h")


@host.task
def nap() -> None:
    """Snoozes for no time at all, and then fails."""
    if current_job().delivery == 1:
        raise Snooze("0s")
    raise ValueError("woken too early")


@host.task(delay="1h", queue="slow")
def delayed() -> str:
    return "ran"


@host.task
def odd() -> object:
    return object()


@host.task
def echo(text: str) -> str:
    return text


@host.task
def chatty() -> str:
    print("from the task")
    subprocess.run([sys.executable, "-c", "print('from its child')"], check=True)
    return "the result"


@host.task
def gated(folder: Path) -> str:
    """Tells that it has started, then waits to be let go or stopped."""
    (folder / "started").touch()
    cancel = current_job().cancel
    while not (folder / "go").exists():
        if cancel.wait(0.005):
            raise JobCancelled("stopped")
    return "went"


@host.task(timeout="100ms", retry=Retry(max_attempts=1))
def stuck(folder: Path) -> None:
    """Obeys nobody."""
    (folder / "stuck").write_text(str(os.getpid()))
    while True:
        time.sleep(0.01)


@host.task
def deaf(folder: Path) -> None:
    """Has no time limit that it could miss, and obeys nobody."""
    (folder / "started").touch()
    while True:
        time.sleep(0.01)


@host.task
async def block_loop(seconds: float) -> None:
    """Computes, in a coroutine."""
    time.sleep(seconds)  # noqa: ASYNC251 - that is the point


@host.task
def litter() -> str:
    """Leaves a thread behind that would hold up the process for ever."""
    threading.Thread(target=threading.Event().wait, daemon=False).start()
    return "left a thread"
