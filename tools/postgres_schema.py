"""Write src/jobhost/store/postgres/schema.sql: the schema as all migrations together make it.

    python tools/postgres_schema.py            write it
    python tools/postgres_schema.py --check    change nothing; exit 1 if it is stale

For readers, and for reviewers of a migration; nothing loads it. It is dumped from a server that is
started for that alone, and depends on nothing but the migrations.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from jobhost.cli.demo_server import TemporaryServer, bundled_programs
from jobhost.clock import SystemClock
from jobhost.store.postgres import store

SNAPSHOT = Path(store.__file__).with_name("schema.sql")
NOTICE = (
    "-- The schema as all migrations together make it, for reading; nothing loads this file.\n"
    "-- Written by tools/postgres_schema.py; add a migration, then run `make docs`.\n\n"
)


def dump(url: str, programs: Path) -> str:
    """The text of the store's schema at this address, in the default schema's name."""
    fresh = store.PostgresStore(url, SystemClock())
    fresh.migrate()
    fresh.close()
    dumped = subprocess.run(
        [
            programs / "pg_dump",
            *("--schema-only", "--no-owner", "--no-privileges", "--schema", "jobhost"),
            *("--dbname", url),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    return NOTICE + normalised(dumped.stdout)


def normalised(text: str) -> str:
    """Without comments, settings and what differs between two dumps or two releases."""
    lines = [
        line
        for line in text.splitlines()
        if not re.match(r"--|SET |SELECT pg_catalog\.set_config|\\(un)?restrict\b", line)
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def main() -> int:
    """Write or check; the exit code."""
    parser = argparse.ArgumentParser(description="Write the snapshot of the schema.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if stale")
    check = parser.parse_args().check
    programs = bundled_programs()
    server = TemporaryServer(programs, ["fsync=off"])
    try:
        text = dump(server.url, programs)
    finally:
        server.stop()
    if not check:
        SNAPSHOT.write_text(text, encoding="utf-8")
    elif not SNAPSHOT.exists() or SNAPSHOT.read_text(encoding="utf-8") != text:
        print(f"{SNAPSHOT.name} is not what the migrations make: run `make docs`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
