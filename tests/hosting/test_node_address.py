"""Workers that move to another folder, or come with another login, than their node."""

import os
import signal
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sites import Site, until

from jobhost.store.plans.nodes import live_nodes

PATIENCE = "90s"


@pytest.mark.parametrize("options", ["", "?synchronous=normal"])
def test_a_relative_address_leads_the_node_to_the_file_that_its_workers_opened(
    site: Site, options: str
):
    (site.folder / "chdir-at-import").touch()
    node = site.start(env={"TOILS_URL": f"sqlite:///jobs.db{options}"}).ready()

    assert site.toils.note.enqueue("next").result(PATIENCE) == "next"
    living = [one for one in site.host.store.read(live_nodes) if not one.lapsed]
    assert len(living) == 3, "the node and its workers"
    assert node.log.count(" serves ") == 2
    assert node.stop() == 0


@pytest.fixture
def logins(site: Site) -> Iterator[list[str]]:
    """Two names that may log in to the store of this test."""
    with _connect(site) as connection:
        owner = connection.info.user
    names = [f"login_{uuid4().hex[:12]}" for _ in range(2)]
    for name in names:
        _do(site, "CREATE ROLE {} LOGIN", name)
        _do(site, "GRANT {} TO {}", owner, name)
    try:
        yield names
    finally:
        site.close()
        for name in names:
            _do(site, "DROP ROLE {}", name)


@pytest.mark.stores("postgres")
@pytest.mark.usefixtures("store_kind")
def test_a_node_whose_login_has_ended_goes_on_with_that_of_its_newest_worker(
    site: Site, logins: list[str]
):
    former, newer = logins
    node = site.start("--lease", "12s", env={"TOILS_URL": _as(site, former)}).ready()
    (site.folder / "url").write_text(_as(site, newer))
    _do(site, "ALTER ROLE {} NOLOGIN", former)

    for times, pid in enumerate(node.workers, 3):
        os.kill(pid, signal.SIGKILL)
        node.said(" serves ", times=times)
    assert "is refused" not in node.log
    _end_connections(site, former)
    node.said("is not permitted to log in")

    job = site.toils.hold.enqueue("job")
    site.started("job")
    os.kill(site.ledger.pids("start", "job")[0], signal.SIGKILL)
    site.started("job", times=2)
    site.go("job")
    assert job.result(PATIENCE)
    until(lambda: _has_connections(site, newer), "the node and its workers come as the newer one")
    assert not _has_connections(site, former)
    node.said("INFO the store works again")
    assert node.stop() == 0


def _as(site: Site, login: str) -> str:
    """The store's address for this login."""
    head, at, rest = site.url.partition("@")
    scheme = head.partition("://")[0]
    return f"{scheme}://{login}@{rest}" if at else site.url.replace("://", f"://{login}@", 1)


def _connect(site: Site) -> psycopg.Connection:
    target = site.host.store.target
    return psycopg.connect(make_conninfo(**target.parameters), autocommit=True)


def _do(site: Site, statement: str, *names: str) -> None:
    with _connect(site) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _end_connections(site: Site, login: str) -> None:
    with _connect(site) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [login]
        )


def _has_connections(site: Site, login: str) -> bool:
    with _connect(site) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE usename = %s LIMIT 1", [login]
        ).fetchone()
    return found is not None
