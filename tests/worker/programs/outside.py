"""Tasks for processes of their own. Each such process imports this module for itself, so what
these tasks have to tell goes through results, and through files in a folder that is an argument."""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from jobhost import (
    DeadLetter,
    Discard,
    InvalidPayload,
    JobHost,
    Retry,
    Snooze,
    current_job,
)

host = JobHost()
once = Retry(max_attempts=1)
at_once = Retry(max_attempts=2, first_delay="0s")


@dataclass
class Place:
    """A value with a type of its own."""

    path: Path
    depth: int


def note(folder: Path, name: str, text: object = "") -> None:
    """A file that is whole as soon as it is there."""
    part = folder / f".{name}"
    part.write_text(str(text))
    part.rename(folder / name)


def spawn(*command: str) -> int:
    """A process in a session of its own that outlives whoever started it."""
    with subprocess.Popen(["setsid", "-f", *command]) as starter:
        return starter.wait()


@host.task(executor="process")
def deeper(place: Place, by: int = 1) -> Place:
    return Place(place.path, place.depth + by)


@host.task(executor="process")
def pid() -> int:
    return os.getpid()


@host.task(executor="process")
def about() -> dict[str, str | int | list[str]]:
    job = current_job()
    return {
        "id": str(job.id),
        "task": job.task,
        "queue": job.queue,
        "delivery": job.delivery,
        "epoch": job.epoch,
        "failures": job.failures,
        "correlation": job.correlation_id,
        "header": job.headers["from"],
        "tags": list(job.tags),
        "cancelled": str(job.cancel.is_set),
        "input": sys.stdin.read(),
    }


@host.task(executor="process")
def open_files() -> list[str]:
    found = []
    for handle in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(handle.readlink()))
        except OSError:
            continue
    return found


@host.task(executor="process", retry=Retry(first_delay="0s", rules={LookupError: None}))
def missing() -> None:
    raise KeyError("nobody")


@host.task(executor="process", retry=at_once)
def say(what: str) -> str:
    if current_job().failures or current_job().delivery > 1:
        return "again"
    raise {
        "snooze": Snooze("0s"),
        "dead": DeadLetter("no such customer"),
        "discard": Discard("already sent"),
        "retry": Retry(after="0s", reason="not yet"),
        "exit": SystemExit(0),
        "interrupt": KeyboardInterrupt(),
    }[what]


@host.task(executor="process")
def unstorable() -> object:
    return object()


@host.task(executor="process")
def die(how: str) -> None:
    if how == "segfault":
        ctypes.string_at(0)
    if how == "exit":
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)


@host.task(executor="process", retry=once)
def hold(folder: Path, name: str) -> str:
    """Until the test lets it go."""
    note(folder, f"started-{name}", os.getpid())
    while not (folder / f"go-{name}").exists():
        time.sleep(0.005)
    return name


@host.task(executor="process", retry=once)
def spin(folder: Path, name: str) -> int:
    """Computes until the test lets it go."""
    note(folder, f"started-{name}", os.getpid())
    while not (folder / f"go-{name}").exists():
        sum(range(100_000))
    return os.getpid()


@host.task(executor="process", retry=once)
def hold_with_family(folder: Path, name: str) -> None:
    """For ever, with a descendant in another session."""
    spawn("sh", "-c", f"echo $$ > {folder}/.child && mv {folder}/.child {folder}/child; sleep 3600")
    while not (folder / "child").exists():
        time.sleep(0.005)
    note(folder, f"started-{name}", os.getpid())
    threading.Event().wait()


@host.task(executor="process", timeout="200ms", retry=once)
def too_long(folder: Path) -> None:
    hold_with_family(folder, "too_long")


@host.task(executor="process")
def leave_a_process(folder: Path) -> int:
    spawn("sh", "-c", f"echo $$ > {folder}/.child && mv {folder}/.child {folder}/child; sleep 3600")
    while not (folder / "child").exists():
        time.sleep(0.005)
    return os.getpid()


@host.task(executor="process")
def terminate_oneself() -> str:
    os.kill(os.getpid(), signal.SIGTERM)
    return "lives"


@host.task(executor="process")
def enqueue_another() -> str:
    return str(pid.enqueue().id)


@host.task(executor="process", retry=once)
def complete_by_itself() -> None:
    with current_job().transaction():
        pass


@host.task(executor="process", retry=once, memory_limit="200MB")
def take(size: int) -> int:
    return len(bytearray(size))


@host.task(executor="process")
def take_freely(size: int) -> int:
    return len(bytearray(size))


@host.task(
    executor="process",
    memory_limit="200MB",
    retry=Retry(first_delay="0s", rules={MemoryError: None}),
)
def take_again_and_again(folder: Path) -> None:
    kept = []
    while True:
        kept.append(bytearray(1_000_000))


@host.task(executor="process", memory_limit="200MB")
def pid_with_limit() -> int:
    return os.getpid()


_mislaid = host.task(executor="process", retry=once, name="mislaid")(lambda: None)


@host.task(executor="process", retry=once)
def talkative(rows: int) -> list[str]:
    """Says all that a job can say."""
    job = current_job()
    told = [str(job.last_checkpoint(default="none"))]
    for number in range(1, rows + 1):
        job.progress(number, rows, f"row {number}")
        logging.getLogger("apart").info("row %d", number)
        job.heartbeat()
    job.checkpoint(f"kept {rows}")
    told.append(job.last_checkpoint())
    try:
        job.checkpoint({1, 2})
    except InvalidPayload as error:
        told.append(type(error).__name__)
    return told


@host.task(executor="process", retry=once)
def leaves_a_thread() -> None:
    """A thread goes on saying something when the job has ended."""
    job = current_job()

    def speak() -> None:
        while True:
            job.progress(99, 99, "from before")
            time.sleep(0.001)

    threading.Thread(target=speak, daemon=True).start()


@host.task(executor="process", retry=once, stalled_after="300ms")
def silent() -> None:
    time.sleep(3600)


@host.task(
    executor="process",
    aliases=["shout_once"],
    version=2,
    upgrade=lambda arguments, version: {"word": arguments["word"], "times": 2},
)
def shout(word: str, times: int) -> str:
    return f"{current_job().task}: {' '.join([word] * times)}"
