"""jobhost in a benchmark of several job queues, beside the others.

The benchmark's harness imports this file twice: in its own Python, where jobhost is not
installed, for `PEER` and `workers`; and in the environment that it has made for jobhost, with
BENCH_SIDE=app, for all the rest. JOBHOST_SOURCE is what pip installs there: by default the
repository that this file lies in.
"""

import os
from pathlib import Path
from typing import Any

_REPOSITORY = Path(__file__).resolve().parent.parent


def _source() -> str:
    """A copy of this file elsewhere measures the published package unless told otherwise."""
    lies_in_repository = (_REPOSITORY / "src" / "jobhost").is_dir()
    return os.environ.get("JOBHOST_SOURCE") or (
        str(_REPOSITORY) if lies_in_repository else "jobhost"
    )


def _variant(**differing: Any) -> dict[str, Any]:
    common = {"n_drain": 50_000, "bulk": True, "conc": 500, "w5": True}
    return {**common, **differing}


PEER: dict[str, Any] = {
    "name": "jobhost",
    "requirements": [f"{_source()}[postgres]"],
    "packages": ["jobhost"],
    "pending_sql": "SELECT (SELECT count(*) FROM jobhost.ready)"
    " + (SELECT count(*) FROM jobhost.running)",
    "variants": {
        "pg": _variant(
            backend="pg",
            settings="2 workers, concurrency 500 (kill test: 10)",
        ),
        "sqlite": _variant(
            backend="sqlite",
            settings="synchronous=FULL (default), 2 workers, concurrency 500 (kill test: 10)",
        ),
        "sqlite-normal": _variant(
            backend="sqlite",
            settings="synchronous=NORMAL, 2 workers, concurrency 500 (kill test: 10)",
            w5=False,
        ),
    },
}


def workers(bin: str, variant: str, w5: bool) -> list[list[str]]:  # noqa: FBT001 - the contract
    """Two worker processes, each a group of its own."""
    slots = 10 if w5 else PEER["variants"][variant]["conc"]
    command = [f"{bin}/jobhost", "worker", "peer_jobhost:host", "--concurrency", str(slots)]
    return [command, command]


if os.environ.get("BENCH_SIDE") == "app":
    import contextlib
    import shutil
    from collections.abc import Iterator

    from benchlib import ajob  # type: ignore[import-not-found]

    from jobhost import JobHost

    # A folder of its own: beside its file the store keeps a folder, and the harness removes
    # only files between runs.
    _FOLDER = Path(os.environ["BENCH_SQLITE"]).parent / "jobhost-store"

    def _url(variant: str) -> str:
        if variant == "pg":
            return os.environ["BENCH_PG_DSN"]
        durability = "normal" if variant == "sqlite-normal" else "full"
        return f"sqlite:///{_FOLDER}/jobs.db?synchronous={durability}"

    host = JobHost(_url(os.environ["BENCH_VARIANT"]))

    @host.task
    async def run(args: dict[str, Any]) -> None:
        """The body that all peers run."""
        await ajob(args)

    def setup() -> None:
        """An empty store: of SQLite before each run; the harness copies that of PostgreSQL."""
        shutil.rmtree(_FOLDER, ignore_errors=True)
        _FOLDER.mkdir(parents=True)
        host.migrate()
        host.close()

    class Producer:
        """The public API."""

        def send(self, args: dict[str, Any]) -> None:
            """One job."""
            run.enqueue(args)

        def send_many(self, many: list[dict[str, Any]]) -> None:
            """Many jobs."""
            run.enqueue_many([(args,) for args in many])

    @contextlib.contextmanager
    def producer() -> Iterator[Producer]:
        """What the harness enqueues with."""
        yield Producer()
