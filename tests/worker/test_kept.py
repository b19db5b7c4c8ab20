"""A worker's end of a keeper: also one that somebody has stopped does what it is told."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from outside_world import is_gone

from jobhost.worker.kept import Kept

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of an end")
_WITH_DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    open(sys.argv[1] + ".new", "w").write(str(os.getpid()))
    os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("tell", "end"), [(Kept.ask, signal.SIGTERM), (Kept.kill, signal.SIGKILL)], ids=["ask", "kill"]
)
def test_a_stopped_keeper_hears_what_it_is_told_and_clears_everything_away(
    tmp_path: Path,
    until: Callable[..., object],
    tell: Callable[[Kept], None],
    end: signal.Signals,
):
    file = tmp_path / "daemon"
    with Path(os.devnull).open("wb") as nowhere:
        kept = Kept.command(
            [sys.executable, "-ISc", _WITH_DAEMON, str(file)],
            env=dict(os.environ), cwd=None, out=nowhere.fileno(), err=nowhere.fileno(),
        )  # fmt: skip
    until(file.exists)
    daemon = int(file.read_text())
    keeper = psutil.Process(kept._keeper.pid)
    keeper.suspend()
    until(lambda: keeper.status() == psutil.STATUS_STOPPED)

    tell(kept)

    assert kept.end(within_seconds=60.0).code == -end, "it was told by its keeper"
    assert is_gone(daemon)
