"""A new tenant gets all that it needs, or nothing: `jobhost worker tenants:host` does it.

Each step may be done twice, and a checkpoint after each says which are done; so a job that is
killed goes on with the next one. When it turns out that it cannot be done, what was done is undone,
the last step first. All of that is plain code.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from jobhost import DeadLetter, JobHost, Retry, current_job

ATTEMPTS: Final = 5

host = JobHost()
folder = Path(os.environ.get("TENANTS", "tenants")).resolve()


class NotPossibleError(Exception):
    """Trying again will not help."""


def make_folder(tenant: str) -> None:
    (folder / tenant).mkdir(parents=True, exist_ok=True)


def remove_folder(tenant: str) -> None:
    if (folder / tenant).exists():
        (folder / tenant).rmdir()  # never with anything in it


def make_database(tenant: str) -> None:
    with closing(sqlite3.connect(folder / tenant / "data.db", timeout=60)) as db, db:
        db.execute("CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, text TEXT)")


def remove_database(tenant: str) -> None:
    for file in (folder / tenant).glob("data.db*"):
        file.unlink(missing_ok=True)


def enter_address(tenant: str) -> None:
    """Of two tenants that want one address, the first has it."""
    address = f"{tenant.lower()}.example.org"
    with closing(open_addresses()) as db, db:
        db.execute("INSERT OR IGNORE INTO address VALUES (?, ?)", (address, tenant))
        find = "SELECT tenant FROM address WHERE name = ?"
        (owner,) = db.execute(find, (address,)).fetchone()
    if owner != tenant:
        raise NotPossibleError(f"{address} belongs to {owner}")


def remove_address(tenant: str) -> None:
    with closing(open_addresses()) as db, db:
        db.execute("DELETE FROM address WHERE tenant = ?", (tenant,))


def open_addresses() -> sqlite3.Connection:
    db = sqlite3.connect(folder / "addresses.db", timeout=60)
    db.execute("CREATE TABLE IF NOT EXISTS address (name TEXT PRIMARY KEY, tenant TEXT)")
    return db


STEPS: Final[list[tuple[Callable[[str], None], Callable[[str], None]]]] = [
    (make_folder, remove_folder),
    (make_database, remove_database),
    (enter_address, remove_address),
]


@host.task(
    unique="{tenant}",
    timeout="10m",
    retry=Retry(max_attempts=2 * ATTEMPTS, first_delay="10s"),  # half of them for the way back
)
def provision(tenant: str) -> list[str]:
    """Do all steps; the names of those that this attempt has done."""
    if not tenant.isidentifier():
        raise DeadLetter(f"{tenant!r} is no name for a tenant")
    job, did = current_job(), []
    state = job.last_checkpoint(default={"done": 0, "failed": None})
    if state["failed"] is None:
        try:
            for step, _ in STEPS[state["done"] :]:
                job.progress(state["done"], len(STEPS), step.__name__)
                step(tenant)
                state["done"] += 1
                job.checkpoint(state)
                did.append(step.__name__)
            return did
        except Exception as error:
            if not isinstance(error, NotPossibleError) and job.failures + 1 < ATTEMPTS:
                raise  # the next attempt goes on with this step
            state["failed"] = str(error)
            # From here on there is only the way back. It also asks whether the job is still ours.
            job.checkpoint(state)
    for _, undo in reversed(STEPS[: state["done"] + 1]):  # the one that failed may be half done
        undo(tenant)
    raise DeadLetter(f"{tenant} was not provisioned, and nothing is left: {state['failed']}")
