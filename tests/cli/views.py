"""Commands that stay on a terminal until they are left."""

import os
import pty
import select
import subprocess
import sys
import termios
import time

from commands import GUARD_SECONDS, Shop, environment

ROWS, COLUMNS = 30, 100


class View:
    """A command on a pseudo-terminal of its own."""

    def __init__(self, shop: Shop, url: str, *arguments: str) -> None:
        self.ours, self._theirs = pty.openpty()
        termios.tcsetwinsize(self._theirs, (ROWS, COLUMNS))
        self.before = termios.tcgetattr(self._theirs)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jobhost", *arguments],
            cwd=shop.folder,
            env={**environment(), "TERM": "xterm-256color", "JOBHOST_URL": url},
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
        )
        self._seen = ""

    def shows(self, text: str) -> None:
        """Wait until it shows this, from now on."""
        self._seen = ""
        end = time.monotonic() + GUARD_SECONDS
        while text not in self._seen:
            assert time.monotonic() < end, f"it has not shown {text!r}: {self._seen[-3000:]}"
            ready, _, _ = select.select([self.ours], [], [], 1.0)
            if ready:
                self._seen += os.read(self.ours, 65536).decode(errors="replace")

    def end(self) -> int:
        """Read until it has ended; its exit code."""
        end = time.monotonic() + GUARD_SECONDS
        while (code := self.process.poll()) is None:
            assert time.monotonic() < end, "it goes on"
            if select.select([self.ours], [], [], 0.05)[0]:
                self._seen += os.read(self.ours, 65536).decode(errors="replace")
        return code

    @property
    def seen(self) -> str:
        """What it has shown since the last wait began."""
        return self._seen

    @property
    def is_as_before(self) -> bool:
        """Whether the terminal's settings are those that it had."""
        return termios.tcgetattr(self._theirs) == self.before

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.ours)
        os.close(self._theirs)
