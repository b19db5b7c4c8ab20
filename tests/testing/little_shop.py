"""A program under test: a shop that mails, thumbnails and counts."""

import sqlite3
from contextlib import closing
from pathlib import Path

from jobhost import JobHost, Retry, current_job

host = JobHost("sqlite:////nowhere/real.db")
sent: list[str] = []


@host.task(queue="mail", retry=Retry(max_attempts=3, first_delay="10m", factor=2))
def send_mail(to: str, subject: str = "Hello") -> str:
    if to == "nobody":
        raise ValueError(f"{to} has no address")
    sent.append(to)
    return f"{subject}, {to}"


@host.task
async def greet(name: str) -> str:
    sent.append(name)
    return f"Hello, {name}!"


@host.task(executor="process", memory_limit="1GB")
def thumbnail(source: Path) -> Path:
    return source.with_suffix(".png")


@host.task
def sign_up(name: str) -> None:
    send_mail.enqueue(name, subject="Welcome")
    send_mail.using(delay="1d").enqueue(name, subject="How is it going?")


@host.task(retry=Retry(max_attempts=1))
def book(file: str, amount: int) -> None:
    """Its effect and its completion are one commit."""
    with current_job().transaction() as tx:
        tx.connection.execute("INSERT INTO booking VALUES (?)", (amount,))


echo = host.command("echo", ["/bin/echo", "{word}"])


def bookings(file: str) -> int:
    with closing(sqlite3.connect(file)) as raw:
        count: int = raw.execute("SELECT count(*) FROM booking").fetchone()[0]
    return count
