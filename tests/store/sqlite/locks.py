"""Who holds the turnstile's locks, seen from outside."""

import fcntl
import os
import re
import threading
import time
from pathlib import Path


def wait_until_held(path: Path) -> None:
    """Return once somebody else holds the lock on this file."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            fcntl.flock(handle, fcntl.LOCK_UN)
            time.sleep(0)
    finally:
        os.close(handle)


def wait_until_queued(pid: int) -> None:
    """Return once a process stands in the kernel's queue for some lock."""
    queued = re.compile(rf"-> FLOCK .* {pid} ")
    while not queued.search(Path("/proc/locks").read_text()):
        time.sleep(0)


def wait_for_abandoned_queues() -> None:
    """Return once no wait that was given up is left: each still gets the lock, and frees it."""
    for thread in threading.enumerate():
        if thread.name == "jobhost-turnstile":
            thread.join()
