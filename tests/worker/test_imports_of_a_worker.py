"""A worker loads what it needs: each MiB is paid by every worker of every node."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from jobhost import JobHost

host = JobHost("sqlite:///jobs.db")
host.migrate()

@host.task
def loaded() -> list[str]:
    import jobhost.worker.link
    return sorted(name for name in sys.modules if name.startswith("multiprocessing"))

job = loaded.enqueue()
host.worker(burst=True).run(signals=True)
print(job.result())
"""


def test_a_worker_without_tasks_in_processes_does_not_load_multiprocessing(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )

    assert done.stdout == "[]\n", done.stderr
