"""Programs that are stopped while they use a SQLite store."""

import fcntl
import os
import signal
from pathlib import Path


def stop_outside_the_store(pid: int, run: Path) -> None:
    """Stop a child of this process with SIGSTOP; when this returns all its threads stand still.

    It holds no lock then that writers need: stopped in the middle of a write it would keep all
    others out until it goes on, and whether it is there is a matter of chance.

    Args:
        pid: The child.
        run: The folder of locks of the store that it uses.
    """
    # In the order of the turnstile: whoever holds the gate waits for the floor.
    locks = [os.open(run / name, os.O_RDWR | os.O_CREAT, 0o600) for name in ("gate", "floor")]
    try:
        for lock in locks:
            fcntl.flock(lock, fcntl.LOCK_EX)
        os.kill(pid, signal.SIGSTOP)
        _, status = os.waitpid(pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), f"process {pid} has ended"
    finally:
        for lock in locks:
            os.close(lock)
