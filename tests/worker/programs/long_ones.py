"""Long tasks that keep checkpoints, and are killed in the middle. What they did is in a file."""

import os
import signal
from pathlib import Path

from jobhost import ItemReport, JobHost, Retry, current_job, each

host = JobHost()
at_once = Retry(first_delay="0s")


def write(file: Path, number: int) -> None:
    """One line, whole whenever this process dies."""
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(handle, f"{current_job().delivery} {number}\n".encode())
    os.close(handle)


def die_at(number: int, wanted: int) -> None:
    if number == wanted and current_job().delivery == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def steps_to_100(file: Path, fatal: int) -> int:
    """A hundred steps, with a checkpoint after each ten."""
    job = current_job()
    first = job.last_checkpoint(default=0)
    for number in range(first + 1, 101):
        write(file, number)
        die_at(number, fatal)
        job.progress(number, 100)
        if number % 10 == 0:
            job.checkpoint(number)
    return int(first)


@host.task(retry=at_once)
def steps(file: Path, fatal: int) -> int:
    return steps_to_100(file, fatal)


@host.task(retry=at_once, executor="process")
def steps_apart(file: Path, fatal: int) -> int:
    return steps_to_100(file, fatal)


@host.task(retry=at_once)
async def steps_async(file: Path, fatal: int) -> int:
    job = current_job()
    first = await job.alast_checkpoint(default=0)
    for number in range(first + 1, 101):
        write(file, number)
        die_at(number, fatal)
        if number % 10 == 0:
            await job.acheckpoint(number)
    return int(first)


@host.task(retry=at_once)
def shrinking(file: Path, left: list[int]) -> list[int]:
    """Keeps what is left to do in its own arguments."""
    given = list(left)
    while left:
        write(file, left[0])
        die_at(left[0], 3)
        left = left[1:]
        current_job().update_payload(file, left)
    return given


@host.task(retry=at_once)
def batch(file: Path, fatal: int) -> ItemReport:
    """A thousand items, of which three are bad."""

    def handle(number: int) -> None:
        write(file, number)
        die_at(number, fatal)
        if number in (5, 500, 995):
            raise ValueError(f"no {number}")

    return each(range(1000), handle, checkpoint_every=100)
