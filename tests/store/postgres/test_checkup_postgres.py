"""A checkup of a store on PostgreSQL tells each cause, with the next step. Each is brought about
on a real server; what would change all of that is judged from the rows that it would give."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from postgres_server import (
    ask,
    connect,
    drop_schema,
    empty_schema,
    migrated,
    new_schema,
    server_url,
    store_url,
)

from jobhost.clock import ManualClock, SystemClock
from jobhost.ids import new_ids
from jobhost.store.checkup import Finding, Level
from jobhost.store.plans import enqueue, nodes, stage
from jobhost.store.postgres import judgement as judge
from jobhost.store.postgres import schema
from jobhost.store.postgres.checkup import checkup
from jobhost.store.postgres.connection import PostgresConnection
from jobhost.store.postgres.judgement import Holder, Lack, Login, Server
from jobhost.store.postgres.roles import ROLES, kind_of, needed_rights
from jobhost.store.postgres.store import PostgresStore

HEALTHY = Server(
    version_number=170_002,
    version="17.2",
    standby=False,
    fsync=True,
    full_page_writes=True,
    synchronous_commit="on",
    now=0,
    autovacuum=True,
    encoding="UTF8",
    plan_cache_mode="force_generic_plan",
    statement_timeout="15s",
)


@pytest.fixture
def name() -> str:
    return empty_schema()


@pytest.fixture
def store(name: str) -> Iterator[PostgresStore]:
    store = PostgresStore(store_url(name), SystemClock())
    yield store
    store.close()


def look(store: PostgresStore, check: str, **options: Any) -> list[Finding]:
    """What a checkup says of one thing."""
    connection = PostgresConnection(store.target)
    try:
        found = checkup(connection, SystemClock(), **options)
    finally:
        connection.close()
    return [finding for finding in found if finding.check == check]


def one(found: list[Finding] | Iterator[Finding], check: str = "") -> Finding:
    [finding] = [finding for finding in found if check in ("", finding.check)]
    return finding


def accept(store: PostgresStore, task: str = "work", **options: Any) -> None:
    jobs = [enqueue.NewJob(bytes(new_ids(1)[0]), "[]", None)]
    given = {"queue": "default", "priority": 0, **options}
    store.write(lambda: store.hot.enqueue(enqueue.Batch(task=task, jobs=jobs, **given)))


def join(store: PostgresStore, *, queue: str = "default", lease_us: int = 60_000_000) -> int:
    new = nodes.NewNode(
        id=new_ids(1)[0].hex(), host="here", pid=4711, version="1", slots=1, queues=[queue],
        tasks=["work"], lease_us=lease_us,
    )  # fmt: skip
    return store.write(lambda: nodes.register(new))


# --- the server --------------------------------------------------------------------------------


def test_the_server_and_its_durability_are_told_as_they_are(store: PostgresStore) -> None:
    assert one(look(store, "server")).sentence.startswith("PostgreSQL ")
    off = ask("SHOW fsync") == [("off",)]
    found = one(look(store, "durability"))
    assert found.level is (Level.PROBLEM if off else Level.OK)
    assert ("fsync is off" in found.sentence) is off


@pytest.mark.parametrize(
    ("changed", "check", "level", "part"),
    [
        ({}, "server", Level.OK, "17.2"),
        ({}, "durability", Level.OK, "synchronous_commit is on"),
        ({"version_number": 140_010, "version": "14.10"}, "server", Level.PROBLEM, "too old"),
        ({"standby": True}, "server", Level.PROBLEM, "standby"),
        ({"fsync": False}, "durability", Level.PROBLEM, "fsync is off"),
        ({"full_page_writes": False}, "durability", Level.PROBLEM, "full_page_writes is off"),
        ({"synchronous_commit": "off"}, "durability", Level.WARNING, "synchronous_commit is off"),
    ],
)
def test_a_server_is_judged(changed: dict[str, Any], check: str, level: Level, part: str) -> None:
    found = one(judge.judge_server(HEALTHY._replace(**changed)), check)
    assert found.level is level
    assert part in found.sentence
    assert (found.next_step is None) is (level is Level.OK)


def test_clocks_that_differ_are_told(name: str) -> None:
    agreeing = PostgresStore(store_url(name), SystemClock())
    assert one(look(agreeing, "clock")).level is Level.OK
    slow = ManualClock(datetime(2020, 1, 1, tzinfo=UTC))
    store = PostgresStore(store_url(name), slow)
    found = one([finding for finding in store.checkup() if finding.check == "clock"])
    assert found.level is Level.WARNING
    assert "ahead of this machine's" in found.sentence
    slow.move(timedelta(days=36500))
    found = one([finding for finding in store.checkup() if finding.check == "clock"])
    assert "behind this machine's" in found.sentence


def test_a_slow_answer_is_no_difference_of_clocks() -> None:
    assert judge.judge_clocks(7.0, unsure_seconds=3.0).level is Level.OK
    assert judge.judge_clocks(-9.0, unsure_seconds=3.0).level is Level.WARNING


def test_a_pooler_is_worth_a_note(name: str) -> None:
    address = store_url(name).replace("&pooler=transaction", "")
    pooled = PostgresStore(f"{address}&pooler=transaction", SystemClock())
    found = [finding for finding in pooled.checkup() if finding.check == "pooler"]
    assert one(found).level is Level.NOTE
    if "pooler" not in server_url():
        assert look(PostgresStore(address, SystemClock()), "pooler") == []


def test_connections_in_use_are_counted(store: PostgresStore) -> None:
    most = int(ask("SHOW max_connections")[0][0])
    found = one(look(store, "connections"))
    used, _, allowed, *_ = found.sentence.split()
    assert 1 <= int(used) <= int(allowed) <= most
    assert judge.judge_connections(77, 97).level is Level.OK
    assert judge.judge_connections(78, 97).level is Level.WARNING


# --- the schema and the login ------------------------------------------------------------------


def test_a_missing_schema_is_a_problem_and_the_rest_is_looked_at() -> None:
    store = PostgresStore(store_url(new_schema()), SystemClock())
    found = store.checkup()
    told = one(found, "schema")
    assert told.level is Level.PROBLEM
    assert "jobhost migrate" in str(told.next_step)
    assert {"server", "clock", "old snapshots", "connections"} <= {one.check for one in found}
    assert not {"workers", "queues"} & {one.check for one in found}


@pytest.fixture
def own() -> Iterator[str]:
    """A schema that only this test uses, since it spoils it."""
    name = new_schema()
    migrated(name).close()
    yield name
    drop_schema(name)


def test_a_schema_of_a_newer_release_is_a_problem(own: str) -> None:
    ask(f"INSERT INTO {own}.migration VALUES (9999, 'x')")
    found = one(look(PostgresStore(store_url(own), SystemClock()), "schema"))
    assert found.level is Level.PROBLEM
    assert "schema 9999 is newer than this release" in found.sentence


def test_a_schema_whose_migration_is_missing_is_a_problem(own: str) -> None:
    ask(f"DELETE FROM {own}.migration")
    found = one(look(PostgresStore(store_url(own), SystemClock()), "schema"))
    assert found.level is Level.PROBLEM
    assert "jobhost migrate" in str(found.next_step)


def test_the_current_schema_is_ok(store: PostgresStore) -> None:
    assert str(schema.newest()) in one(look(store, "schema")).sentence


def test_a_schema_that_everybody_may_use_is_worth_a_note(own: str) -> None:
    store = PostgresStore(store_url(own), SystemClock())
    assert one(look(store, "schema")).level is Level.OK
    ask(f"GRANT USAGE ON SCHEMA {own} TO PUBLIC")
    assert look(store, "schema")[0].level is Level.NOTE


def test_a_server_s_clock_that_was_set_back_is_a_warning(store: PostgresStore, name: str) -> None:
    join(store)
    accept(store)
    assert one(look(store, "clock")).level is Level.OK
    ask(f"UPDATE {name}.job SET created_at = created_at + 600000000")
    [_, found] = look(store, "clock")
    assert found.level is Level.WARNING
    assert "10m later" in found.sentence or "9m" in found.sentence


def test_a_jump_of_the_clock_is_judged() -> None:
    assert judge.judge_jump(4_000_000) == judge.judge_jump(-1) == []
    [found] = judge.judge_jump(3_600_000_000)
    assert "a time 1h later than its server's clock" in found.sentence
    assert found.next_step


LOGIN = Login(
    name="shop", superuser=False, schema_is_there=True, owner=False, usage=True, open_to_all=False,
    may_create=True, database="shop", lacks=[
        Lack(role, "SELECT", "job", None) for role in needed_rights()
    ],
)  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "level", "part"),
    [
        ({"superuser": True}, Level.NOTE, "is a superuser"),
        ({"owner": True}, Level.NOTE, "owns the schema"),
        ({"usage": False}, Level.PROBLEM, "may not use the schema"),
        ({}, Level.PROBLEM, "as producer it lacks SELECT on job"),
        ({"lacks": LOGIN.lacks[1:]}, Level.OK, "has the rights of: producer"),
        (
            {"lacks": [*LOGIN.lacks, Lack("producer", "SELECT", "node", "wakeable")]},
            Level.PROBLEM,
            "as worker it lacks",
        ),
    ],
)
def test_a_login_is_judged(changed: dict[str, Any], level: Level, part: str) -> None:
    found = one(judge.judge_login(LOGIN._replace(**changed)))
    assert found.level is level
    assert part in found.sentence


@pytest.fixture
def stranger(own: str) -> Iterator[Callable[..., PostgresStore]]:
    """A login that may only what the test grants. It looks by SET ROLE, from the address itself."""
    login = f"{own}_login"
    ask(f"CREATE ROLE {login}")

    def store(*rights: str) -> PostgresStore:
        for right in rights:
            ask(f"GRANT {right.format(own)} TO {login}")
        address = store_url(own)
        return PostgresStore(f"{address}&options=-c%20role%3D{login}", SystemClock())

    if "pooler" in server_url():
        pytest.skip("a pooler takes no options")
    yield store
    ask(f"DROP OWNED BY {login}")
    ask(f"DROP ROLE {login}")


def test_a_login_without_rights_is_told_so(stranger: Callable[..., PostgresStore]) -> None:
    found = stranger().checkup()
    assert one(found, "rights").level is Level.PROBLEM
    assert "jobhost roles --sql" in str(one(found, "rights").next_step)
    for check in ("schema", "workers", "queues", "scheduled"):
        assert one(found, check).level is Level.NOTE
        assert "may not look" in one(found, check).sentence


def test_a_right_that_was_dropped_is_named(stranger: Callable[..., PostgresStore]) -> None:
    [producer] = [role for role in ROLES if role.name == "producer"]
    store = stranger(
        "USAGE ON SCHEMA {}",
        *(
            f"{rights} ON {kind_of(on)} {{0}}.{on}"
            for on, rights in producer.rights.items()
            if on != "node"
        ),
    )
    found = one(look(store, "rights"))
    assert "as producer it lacks SELECT (ended_at) on node, SELECT (wakeable) on node" in (
        found.sentence
    )


# --- dead rows ---------------------------------------------------------------------------------


def test_autovacuum_that_was_turned_off_for_a_table_is_a_warning(own: str) -> None:
    store = PostgresStore(store_url(own), SystemClock())
    ask(f"ALTER TABLE {own}.ready SET (autovacuum_enabled = off)")
    found = one(look(store, "autovacuum"))
    assert found.level is Level.WARNING
    assert "off for table 'ready'" in found.sentence
    ask(f"ALTER TABLE {own}.ready RESET (autovacuum_enabled)")
    assert one(look(store, "autovacuum")).level is Level.OK


def test_dead_rows_are_told_from_the_server_s_statistics(own: str, monkeypatch: Any) -> None:
    store = PostgresStore(store_url(own), SystemClock())
    monkeypatch.setattr(judge, "DEAD_ROWS", 100)
    with connect() as connection:
        connection.execute(f"ALTER TABLE {own}.ready RESET (autovacuum_vacuum_threshold)")
        connection.execute(
            f"INSERT INTO {own}.ready SELECT 'q', 0, 1, n, n, 't', 0, 0, 0, 0 "
            "FROM generate_series(1, 500) n"
        )
        connection.execute(f"DELETE FROM {own}.ready")
        connection.execute("SELECT pg_stat_force_next_flush()")
    found = one(look(store, "autovacuum"))
    assert found.level is Level.WARNING
    assert "table 'ready' has 500 dead rows" in found.sentence


def test_tables_are_judged() -> None:
    at = datetime(2030, 1, 31, 9, tzinfo=UTC)
    assert one(judge.judge_tables([], autovacuum=False)).level is Level.PROBLEM
    quiet = [("ready", False, 10, 150_000, at), ("job", False, 10**7, 10**6, at)]
    assert one(judge.judge_tables(quiet, autovacuum=True)).level is Level.OK
    loud = [("ready", False, 10**7, 250_000, at), ("job", False, 10**6, 2 * 10**6, None)]
    ready, job = judge.judge_tables(loud, autovacuum=True)
    assert "250,000 dead rows; it was swept last at 2030-01-31 09:00Z" in ready.sentence
    assert "swept never" in job.sentence


def test_who_holds_an_old_transaction_is_named_with_the_way_to_end_it(store: PostgresStore) -> None:
    with connect() as holder, holder.transaction():
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SET LOCAL application_name = 'nightly report'")
        [(pid, user)] = holder.execute("SELECT pg_backend_pid(), current_user").fetchall()
        found = look(store, "old snapshots", old_seconds=0.0)
        [told] = [one for one in found if f"process {pid} " in one.sentence]
        assert told.level is Level.WARNING
        assert f"of {user!r}, application 'nightly report'" in told.sentence
        assert "idle in transaction" in told.sentence
        assert told.next_step == f"end it there, or SELECT pg_terminate_backend({pid})"
        assert not [one for one in look(store, "old snapshots") if str(pid) in one.sentence]


def test_holders_are_judged() -> None:
    prepared = Holder("prepared", "gid-1", "shop", "", "prepared", 7200.0)
    lost = Holder("slot", "standby_2", "", "physical", "inactive", 12.0)
    busy = Holder("slot", "standby_1", "", "physical", "active", 900.0)
    far = busy._replace(age=1_000_000.0)
    hidden = Holder("transaction", "1", "other", "", "", None)
    assert "ROLLBACK PREPARED 'gid-1'" in str(one(judge.judge_holders([prepared])).next_step)
    assert "pg_drop_replication_slot('standby_2')" in str(
        one(judge.judge_holders([lost])).next_step
    )
    assert one(judge.judge_holders([busy])).level is Level.OK
    assert one(judge.judge_holders([far])).level is Level.WARNING
    assert "pg_read_all_stats" in str(one(judge.judge_holders([hidden])).next_step)
    assert len(judge.judge_holders([prepared] * 50)) == 10


def test_a_queue_of_notices_is_judged() -> None:
    assert judge.judge_notices(0.5, 4711).level is Level.OK
    told = judge.judge_notices(0.51, None)
    assert told.level is Level.WARNING
    assert "51 % full" in told.sentence
    assert "pg_read_all_stats" in str(told.next_step)


# --- workers and jobs --------------------------------------------------------------------------


def test_no_worker_is_worth_a_note(store: PostgresStore) -> None:
    assert one(look(store, "workers")).level is Level.NOTE


def test_a_lapsed_lease_is_a_warning_when_nobody_is_left(store: PostgresStore) -> None:
    join(store, lease_us=-1)
    found = one(look(store, "workers"))
    assert found.level is Level.WARNING
    assert "here:4711" in found.sentence
    join(store)
    live, lapsed = look(store, "workers")
    assert live.sentence == "1 worker with a live lease"
    assert lapsed.level is Level.NOTE


def test_a_queue_that_nobody_serves_is_a_warning(store: PostgresStore) -> None:
    join(store)
    for queue in ("default", "mail", "mail", "re ports"):
        accept(store, queue=queue)
    mail, reports = look(store, "queues")
    assert mail.level is Level.WARNING
    assert mail.next_step == "start one with --queues mail"
    assert reports.next_step == "start one with --queues 're ports'"


def test_a_task_that_nobody_knows_is_a_warning(store: PostgresStore) -> None:
    join(store)
    accept(store, "forgotten")
    accept(store, "forgotten")
    store.write(lambda: stage.stage(["default"]))
    found = one(look(store, "tasks"))
    assert found.level is Level.WARNING
    assert "2 jobs of task 'forgotten'" in found.sentence


def test_a_due_job_that_nobody_makes_ready_is_a_warning(store: PostgresStore, name: str) -> None:
    accept(store, delay_us=1)
    assert look(store, "scheduled") == []
    ask(f"UPDATE {name}.scheduled SET due_at = due_at - 600000000")
    found = one(look(store, "scheduled"))
    assert found.level is Level.WARNING
    assert "due for 10m" in found.sentence
