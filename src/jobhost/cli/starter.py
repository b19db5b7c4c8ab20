"""The files that `jobhost init` writes."""

from pathlib import Path
from shlex import quote
from typing import Final

from jobhost.errors import InvalidOption

PROGRAM: Final = '''\
"""Background jobs: a job is one call of a task, which a worker carries out."""

from jobhost import JobHost

# Its store is at JOBHOST_URL, or else the file jobhost.db where it is started.
host = JobHost()


@host.task
async def greet(name: str) -> str:
    """Runs on the event loop: for work that waits for others, such as services."""
    return f"Hello, {name}!"


@host.task(timeout="1m")
def count_words(text: str) -> int:
    """Runs in a thread: for code that blocks."""
    return len(text.split())
'''

SETTINGS: Final = """\
# What jobhost reads from the environment. A shell reads this file with
#     set -a; . ./jobhost.env; set +a
# and systemd by EnvironmentFile=. It may hold a password: keep it out of version control.

# Address of the store. Without one it is the file jobhost.db in the working directory.
"""

UNIT: Final = """\
# Copy it to /etc/systemd/system, say there as which user it runs, then:
#     systemctl daemon-reload; systemctl enable --now jobhost

[Unit]
Description=jobhost: jobs of {module}
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
NotifyAccess=main
WatchdogSec=30
#User=
WorkingDirectory={folder}
EnvironmentFile={settings}
ExecStart={program} worker {module}:host --processes 2 --stopping-wait-time 30s
KillMode=mixed
TimeoutStopSec=60
TimeoutStartSec=180
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""


def settings_line(address: str | None) -> str:
    """The line of the store's address, as a shell and systemd both read it; a comment without."""
    if address is None:
        return "#JOBHOST_URL=postgresql://user@host/database\n"
    return f"JOBHOST_URL={quote(address.replace(chr(39), '%27'))}\n"


def one_line(text: str, what: str) -> str:
    """Text that may stand on one line of a file. Raises InvalidOption."""
    if not text.isprintable():
        raise InvalidOption(f"{what} must be printable text on one line; got {text!r}")
    return text


def unit_path(path: Path) -> str:
    """A path that is all of a setting of systemd: percent signs mean something there."""
    return one_line(str(path), "the folder").replace("%", "%%")


def unit_word(path: Path) -> str:
    """A path within a command line of systemd, where blanks and backslashes mean something too."""
    return unit_path(path).replace("\\", "\\\\").replace(" ", "\\x20")
