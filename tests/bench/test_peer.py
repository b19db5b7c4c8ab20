"""The adapter for a benchmark of several job queues keeps that benchmark's contract."""

import os
import subprocess
import sys
from pathlib import Path

from postgres_server import drop_schema, new_schema, store_url

ROOT = Path(__file__).parents[2]

HARNESS = """
import sys
sys.modules["jobhost"] = sys.modules["benchlib"] = None
import peer_jobhost as peer
assert peer.PEER["requirements"] == [sys.argv[1] + "[postgres]"]
for name, variant in peer.PEER["variants"].items():
    assert variant["backend"] == ("pg" if name == "pg" else "sqlite")
    assert variant["bulk"] and variant["settings"]
    for killing in (False, True):
        first, second = peer.workers("bin", name, killing)
        assert first[:3] == ["bin/jobhost", "worker", "peer_jobhost:host"]
"""

APP = """
import asyncio
import peer_jobhost as peer
for _ in range(2):
    peer.setup()
    with peer.producer() as producer:
        producer.send({"seq": 0})
        producer.send_many([{"seq": 1}, {"seq": 2}])
    assert len(peer.host.jobs()) == 3
asyncio.run(peer.run.function({"seq": 3}))
"""


def _python(program: str, *arguments: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_the_side_of_the_harness_needs_no_jobhost() -> None:
    _python(HARNESS, str(ROOT), PYTHONPATH=str(ROOT / "bench"))


def test_the_source_to_install_can_be_given() -> None:
    given = "elsewhere/jobhost.whl"
    _python(HARNESS, given, PYTHONPATH=str(ROOT / "bench"), JOBHOST_SOURCE=given)


def test_the_side_of_the_app_enqueues_into_postgresql(tmp_path: Path) -> None:
    (tmp_path / "benchlib.py").write_text("async def ajob(args): assert args == {'seq': 3}")
    schema = new_schema()
    try:
        _python(
            APP.replace("range(2)", "range(1)"),
            PYTHONPATH=os.pathsep.join([str(ROOT / "bench"), str(tmp_path)]),
            BENCH_SIDE="app",
            BENCH_VARIANT="pg",
            BENCH_PG_DSN=store_url(schema),
            BENCH_SQLITE=str(tmp_path / "queue.db"),
        )
    finally:
        drop_schema(schema)


def test_the_side_of_the_app_enqueues_into_an_empty_store_each_time(tmp_path: Path) -> None:
    (tmp_path / "benchlib.py").write_text("async def ajob(args): assert args == {'seq': 3}")
    _python(
        APP,
        PYTHONPATH=os.pathsep.join([str(ROOT / "bench"), str(tmp_path)]),
        BENCH_SIDE="app",
        BENCH_VARIANT="sqlite",
        BENCH_SQLITE=str(tmp_path / "queue.db"),
    )
