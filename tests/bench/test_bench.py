"""The bench measures and prints; how fast it was is not looked at."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_quick_run_prints_a_row_of_each_figure_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    file = tmp_path / "figures.json"
    figures = ["--only", "enqueue-normal", "--only", "drain-1"]

    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--runs", "1", *figures, "--json", str(file)],
        cwd=ROOT,
        env={"TMPDIR": str(tmp_path / "temporary")},
        capture_output=True,
        text=True,
        timeout=110,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    head, _, *rows = done.stdout.splitlines()
    assert head.split() == ["figure", "median", "min", "-", "max", "goal"]
    assert rows[0].startswith("drain, 1 worker, jobs/s ")
    assert rows[1].startswith("enqueue one at a time, NORMAL, jobs/s ")
    assert "jobs: 7,000 sent, 0 lost, 0 duplicates" in rows
    values = json.loads(file.read_text())["figures"]["drain-1"]["rows"]["rate"]["values"]
    assert len(values) == 1
    assert not list((tmp_path / "temporary").iterdir())


def test_an_unknown_figure_is_refused_with_the_known_ones() -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "bench", "--only", "speed"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert refused.returncode == 2
    assert "drain-1" in refused.stderr
