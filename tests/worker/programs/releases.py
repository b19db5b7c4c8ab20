"""Two releases of one program, whose workers run side by side: the second has a task under a new
name, and another one with other arguments."""

import os
import time
from pathlib import Path
from typing import Any

from jobhost import JobHost, Task, current_job


class Release:
    """The tasks of one release.

    Args:
        number: 1 or 2.
        host: Where to declare them.
        folder: Where the files `go-<name>` are that let a job go on.

    Results are: the release that ran the job, and what it was called with.
    """

    def __init__(self, number: int, host: JobHost, folder: Path) -> None:
        self._number = number
        self._folder = folder
        self.mail: Task[..., Any, Any]
        self.resize: Task[..., Any, Any]
        if number == 1:
            self.mail = host.task(name="mail")(self._mail)
            self.resize = host.task(name="resize")(self._resize_text)
        else:
            self.mail = host.task(name="deliver", aliases=["mail"])(self._mail)
            self.resize = host.task(name="resize", version=2, upgrade=_upgrade)(self._resize)

    def _mail(self, to: str) -> list[Any]:
        """Holds until the test lets it go on."""
        (self._folder / f"{current_job().task}-{to}").write_text(str(os.getpid()))
        while not (self._folder / f"go-{to}").exists():
            time.sleep(0.01)
        return [self._number, to]

    def _resize_text(self, size: str) -> list[Any]:
        return [self._number, size]

    def _resize(self, width: int) -> list[Any]:
        return [self._number, width]


def _upgrade(arguments: dict[str, Any], version: int) -> dict[str, Any]:
    return {"width": int(arguments["size"].removesuffix("px"))}
