"""The page docs/transactions.md runs as it stands, against a server."""

import os
import subprocess
import sys
from pathlib import Path

from pages import DOCS, blocks
from postgres_server import ask, empty_schema, server_url, shared_schema, store_url
from psycopg.conninfo import make_conninfo

from jobhost import JobHost
from jobhost.clock import SystemClock
from jobhost.store.postgres.target import read_target

PAGE = DOCS / "transactions.md"


def test_its_python_and_its_sql_run_as_they_stand(tmp_path: Path) -> None:
    empty_schema()
    url = store_url(shared_schema())
    database = make_conninfo(**read_target(server_url(), SystemClock()).parameters)
    ask("DROP TABLE IF EXISTS orders")
    try:
        done = subprocess.run(
            [sys.executable, Path(__file__).with_name("run_page.py"), PAGE, "python no-run"],
            cwd=tmp_path,
            env={**os.environ, "JOBHOST_URL": url, "DATABASE_URL": database},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert ask("SELECT * FROM orders") == [(7, "shipped")]
        (shown,) = [block.text for block in blocks(PAGE) if block.language == "sql"]
        ask(shown.replace("jobhost.enqueue", f"{shared_schema()}.enqueue"))
        with JobHost(url) as host:
            found = {(job.payload, str(job.state)) for job in host.jobs(limit=2)}
        assert found == {('{"order": 8}', "ready"), ('{"order": 8}', "scheduled")}
    finally:
        ask("DROP TABLE IF EXISTS orders")
        ask("DROP FUNCTION IF EXISTS pack_order()")
