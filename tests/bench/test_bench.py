"""The bench measures and prints; how fast it was is not looked at."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]


def _bench(*arguments: str, temporary: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        env={"TMPDIR": str(temporary), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=110,
    )


def test_a_quick_run_prints_a_row_of_each_figure_and_leaves_nothing_behind(
    tmp_path: Path, temporary: Path
) -> None:
    file = tmp_path / "figures.json"
    sizes = ["--store", "sqlite", "--no-peers", "--quick", "--runs", "1"]
    figures = ["--only", "enqueue-normal", "--only", "drain-threads"]

    done = _bench(*sizes, *figures, "--json", str(file), temporary=temporary)

    assert done.returncode == 0, done.stdout + done.stderr
    title, head, _, *rows = done.stdout.splitlines()
    assert title == "SQLite: median (min - max)"
    assert head.split() == ["figure", "jobhost", "goal"]
    assert rows[0].startswith("drain, 1 worker, plain functions in 20 threads, jobs/s ")
    assert rows[1].startswith("enqueue one at a time, NORMAL, jobs/s ")
    assert "jobs: jobhost 4,000 sent, 0 lost, 0 duplicates" in rows
    figures_of_jobhost = json.loads(file.read_text())["stores"]["sqlite"]["jobhost"]
    assert len(figures_of_jobhost["drain-threads"]["rows"]["rate"]["values"]) == 1
    assert not list(temporary.iterdir())


def test_it_brings_a_postgresql_server_of_its_own_and_takes_it_away(temporary: Path) -> None:
    what = ["--store", "postgres", "--only", "enqueue", "--no-peers", "--quick", "--runs", "1"]

    done = _bench(*what, "--markdown", temporary=temporary)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("### PostgreSQL: median (min - max)\n\n| figure | jobhost | goal")
    assert "jobhost 500 sent, 0 lost, 0 duplicates" in done.stdout
    assert "fsync=on, synchronous_commit=on" in done.stdout
    # The wheel keeps its lock in the temporary folder.
    assert {file.name for file in temporary.iterdir()} <= {".lockfile"}


def test_an_interrupt_ends_the_server_and_all_processes(temporary: Path) -> None:
    what = ["--store", "postgres", "--only", "latency", "--no-peers", "--runs", "1"]
    bench = subprocess.Popen(
        [sys.executable, "-m", "bench", *what],
        cwd=ROOT,
        env={"TMPDIR": str(temporary), "PATH": os.environ["PATH"]},
        stderr=subprocess.DEVNULL,
    )
    wait_until = time.monotonic() + 60
    while not list(temporary.glob("jobhost-bench-*/records")) and time.monotonic() < wait_until:
        time.sleep(0.05)

    bench.send_signal(signal.SIGINT)

    # Python itself ends by the signal if that comes between two lines of ours.
    assert bench.wait(60) in (128 + signal.SIGINT, -signal.SIGINT)
    assert {file.name for file in temporary.iterdir()} <= {".lockfile"}
    left = [found for found in psutil.process_iter() if str(temporary) in _command(found)]
    assert left == []


def test_an_unknown_figure_is_refused_with_the_known_ones(temporary: Path) -> None:
    refused = _bench("--only", "speed", temporary=temporary)

    assert refused.returncode == 2
    assert "drain-1" in refused.stderr


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
