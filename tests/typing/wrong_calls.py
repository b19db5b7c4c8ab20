"""Read by mypy, never run: each line is wrong, and mypy must say so.

An error that mypy no longer finds leaves an unused ignore, which fails the check.
"""

from pathlib import Path

from jobhost import JobHost

host = JobHost("sqlite:///typing.db")


@host.task
def thumbnail(source: Path, width: int = 256) -> Path:
    return source.with_suffix(f".{width}.png")


@host.task(queue="net")
async def fetch(address: str, *, tries: int = 3) -> bytes:
    return address.encode() * tries


def wrong_arguments() -> None:
    thumbnail(5)  # type: ignore[arg-type]
    thumbnail.enqueue(5)  # type: ignore[arg-type]
    thumbnail.enqueue(Path(), width="wide")  # type: ignore[arg-type]
    thumbnail.enqueue(Path(), height=3)  # type: ignore[call-arg]
    thumbnail.enqueue()  # type: ignore[call-arg]
    thumbnail.enqueue(Path(), 1, 2)  # type: ignore[call-arg]
    fetch.enqueue(b"a")  # type: ignore[arg-type]
    fetch.enqueue("a", 3)  # type: ignore[call-arg]
    fetch.using(priority=1).enqueue(b"a")  # type: ignore[arg-type]
    thumbnail.enqueue_many([1])  # type: ignore[list-item]
    thumbnail.enqueue_many(thumbnail)  # type: ignore[arg-type]


async def wrong_arguments_on_a_loop() -> None:
    await thumbnail.aenqueue(5)  # type: ignore[arg-type]
    await fetch.aenqueue("a", tries="3")  # type: ignore[arg-type]
    await fetch.using(priority=1).aenqueue(tries=1)  # type: ignore[call-arg]


def wrong_options() -> None:
    thumbnail.using(priority="high")  # type: ignore[arg-type]
    thumbnail.using(delay=5)  # type: ignore[arg-type]
    thumbnail.using(retry=3)  # type: ignore[arg-type]
    thumbnail.using(prio=1)  # type: ignore[call-arg]
    host.queue("mail", tags="io")  # type: ignore[arg-type]
    host.task(timeout=60)  # type: ignore[call-overload]
    host.task(prio=1)  # type: ignore[call-overload]


async def wrong_results() -> None:
    _path: str = thumbnail.enqueue(Path()).result()  # type: ignore[assignment]
    _text: str = await fetch.enqueue("a").aresult()  # type: ignore[assignment]
    thumbnail.enqueue(Path()).result(timeout=5)  # type: ignore[arg-type]
    _size: int = len(fetch("a"))  # type: ignore[arg-type]
