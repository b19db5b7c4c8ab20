"""The environment of the peers, apart from the one of jobhost: made once, kept for the next run."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.processes import ROOT, SkippedError

SECONDS_MAX: Final = 300.0
"""For pip; a package index that cannot be reached is given up before."""

_PATIENCE: Final = ("--timeout", "10", "--retries", "1")


def default_folder() -> Path:
    """Beside the packages of the development environment, where there is one."""
    beside = ROOT / ".venv"
    return (beside if beside.is_dir() else Path(tempfile.gettempdir())) / "bench-peers"


class Installer:
    """Makes the environment when it is first asked for something.

    Args:
        folder: Where it is, or will be.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._failed: dict[str, str] = {}

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self._folder / "bin" / "python")

    def program(self, name: str) -> str:
        """A command that a package brought along."""
        return str(self._folder / "bin" / name)

    def require(self, peer: str, requirements: Sequence[str]) -> None:
        """Install what this peer needs, unless that was done before.

        Raises SkippedError, each time again, if it cannot be installed.
        """
        if peer in self._failed:
            raise SkippedError(self._failed[peer])
        stamp = self._folder / f"{peer}.installed"
        wanted = "\n".join((sys.version, *requirements))
        if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
            return
        print(f"installing {peer} into {self._folder}", file=sys.stderr)
        try:
            self._install(requirements)
        except (OSError, subprocess.SubprocessError) as error:
            self._failed[peer] = f"{peer} is not installed: {_reason(error)}"
            raise SkippedError(self._failed[peer]) from error
        stamp.write_text(wanted, encoding="utf-8")

    def _install(self, requirements: Sequence[str]) -> None:
        if not Path(self.python).exists():
            _run(sys.executable, "-m", "venv", str(self._folder))
        options = ("--quiet", "--disable-pip-version-check", *_PATIENCE)
        _run(self.python, "-m", "pip", "install", *options, *requirements)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS_MAX)


def _reason(error: Exception) -> str:
    said = getattr(error, "stderr", None)
    lines = said.strip().splitlines() if isinstance(said, str) else []
    return lines[-1] if lines else str(error)
