"""`jobhost doctor`: what is wrong with a store, and what to do about it."""

from dataclasses import asdict

import typer

from jobhost.cli.exits import Exit
from jobhost.cli.hosts import StoreUrl
from jobhost.cli.jobs_show import JsonOutput
from jobhost.cli.render import put_json, put_table


def doctor(json_output: JsonOutput = False, url: StoreUrl = None) -> None:
    """Look at a store: what is well, what is not, and the next step for each.

    On PostgreSQL: version, durability, clocks, rights of the login, schema,
    autovacuum, old transactions, replication slots, connections, notices. On SQLite:
    the file, its file system, rights, space and journal. On both: workers, jobs for
    which nobody comes, queues that are paused, late or nearly full, keys that are
    stuck, dead letters, and what nobody sweeps or prunes.

    Nothing is changed. Ends with exit code 7 when there is a warning or a problem,
    so that it can stand in a script; with 0 when all is ok or worth a note.

    Examples:

      jobhost doctor
      jobhost doctor --url postgresql://jobhost_operator@db.example/shop
      jobhost doctor --json
    """
    from jobhost.app import JobHost
    from jobhost.store.checkup import Level, worst

    with JobHost(url) as host:
        where, findings = host.store.url, host.store.checkup()
    level = worst(findings)
    if json_output:
        plain = [asdict(found) for found in findings]
        put_json({"store": where, "level": level, "findings": plain})
    else:
        rows = [
            (found.level, found.check, found.sentence, found.next_step or "")
            for found in sorted(findings, key=lambda found: -found.level.rank)
        ]
        put_table(("", "check", "found", "next step"), rows)
    if level.rank > Level.NOTE.rank:
        raise typer.Exit(Exit.UNWELL)
