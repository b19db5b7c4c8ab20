"""`eat_memory.py GROUP`: moves into that control group and has a child that eats all its memory.

Prints how the child's end was read, as JSON.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from jobhost.hosting.exits import OomWatch, read_death

PIECE_BYTES = 1024 * 1024
PIECES_MAX = 512
"""It ends by itself far beyond the group's limit, should nobody end it."""


def eat() -> None:
    """First in the kernel's choice of whom to kill."""
    Path("/proc/self/oom_score_adj").write_text("1000")
    eaten = [b"x" * PIECE_BYTES for _ in range(PIECES_MAX)]
    os._exit(len(eaten) % 2)


if __name__ == "__main__":
    Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))
    watch = OomWatch()
    if not (child := os.fork()):
        eat()
    _, status = os.waitpid(child, 0)
    death = read_death(status, oom_kills=watch.kills_since_last_look())
    print(json.dumps(death and asdict(death)))
