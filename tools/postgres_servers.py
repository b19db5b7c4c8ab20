"""Run the tests of the PostgreSQL store on Debian's PostgreSQL 15, and through its pgbouncer.

    python tools/postgres_servers.py [arguments of pytest]

Both servers live in temporary folders, on sockets there and no ports, and end with this program.
Where a package is missing, it says which, and nothing is checked.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobhost.cli.demo_server import Guarded, TemporaryServer, make_folder

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
POOLER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
NEEDED = {
    "postgresql-15": (PROGRAMS / "postgres").exists(),
    "pgbouncer": POOLER is not None,
}
SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
DIRECT = ["tests/store", "tests/worker", "-k", "postgres"]
POOLED = ["tests/store/contract", "tests/worker", "-k", "postgres and not ledger and not backlog"]
"""What looks at locks, connections and news of its own needs a server's; and each journey takes
longer through a pooler, so those that make thousands are left out."""

POOLER_SETTINGS = """
[databases]
* = host={server} port=5432

[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
max_client_conn = 500
default_pool_size = 20
"""


@contextmanager
def pooler(server: Path) -> Iterator[str]:
    """A pooler before the server with its socket in this folder; its address."""
    folder = make_folder("jobhost-pgbouncer-")
    (folder / "users").write_text('"postgres" ""\n')
    (folder / "settings").write_text(POOLER_SETTINGS.format(server=server, folder=folder))
    assert POOLER is not None
    guarded = Guarded(folder, [POOLER, "settings"])
    url = f"postgresql://postgres@:6432/postgres?host={folder}"
    try:
        guarded.wait_until_ready(url)
        yield f"{url}&pooler=transaction"
    finally:
        guarded.stop()


def check(what: str, url: str, arguments: list[str]) -> int:
    """Run tests on this server; pytest's exit code."""
    print(f"{what}:", flush=True)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", *arguments],
        env={**os.environ, "JOBHOST_TEST_POSTGRES": url},
        check=False,
    ).returncode


def main(arguments: list[str]) -> int:
    """The worse of both exit codes."""
    if missing := [package for package, is_here in NEEDED.items() if not is_here]:
        print(
            "Not checked here: PostgreSQL 15 and pgbouncer. For that: "
            f"apt-get install {' '.join(missing)}"
        )
        return 0
    server = TemporaryServer(PROGRAMS, SETTINGS)
    try:
        codes = [check("PostgreSQL 15", server.url, [*DIRECT, *arguments])]
        with pooler(server.folder) as url:
            codes.append(check("PostgreSQL 15 through pgbouncer", url, [*POOLED, *arguments]))
    finally:
        server.stop()
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
