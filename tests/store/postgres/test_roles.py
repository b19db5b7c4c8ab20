"""Each role can do its part, and nothing else: on a real server, with a login of its own."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from postgres_server import ask, connect, drop_schema, new_schema, server_url, store_url

from jobhost import JobHost, Retry, Snooze
from jobhost.clock import SystemClock
from jobhost.errors import InvalidOption, StoreUnavailable
from jobhost.ids import new_ids
from jobhost.jobs.states import State
from jobhost.store.plans import look, nodes, stage, suspects
from jobhost.store.plans.operate import CancelResult, DrainResult, drain
from jobhost.store.postgres.catalogue import statements
from jobhost.store.postgres.roles import (
    FUNCTIONS,
    ROLES,
    SEQUENCE,
    TABLES,
    VIEWS,
    Right,
    needed_rights,
)
from jobhost.store.postgres.roles_script import script
from jobhost.store.postgres.target import SETTINGS, read_target

NAMES = [role.name for role in ROLES]
EVERYBODY = {"producer", "worker", "viewer", "operator"}
READERS = {"worker", "viewer", "operator"}
PASSWORD = "only for tests"

PARTS: list[tuple[set[str], str]] = [
    # which server this is, and what everybody who is connected may ask it
    (EVERYBODY, "announce applied_migrations check_connections check_login"),
    (EVERYBODY, "check_notices"),
    (EVERYBODY, "check_server check_snapshots check_tables draw_numbers"),
    (EVERYBODY, "whereabouts"),
    ({"producer", "worker"}, "enqueue_ready_within enqueue_scheduled_within"),
    ({"producer", "worker"}, "enqueue_new enqueue_ready enqueue_scheduled"),
    (READERS, "attempts_of blocked_tasks cancellations held list_blocked list_jobs list_ready"),
    (READERS, "list_running list_scheduled live_nodes next_due orphans served_queues show_job"),
    (
        READERS,
        "blocked_suspects crash_loops find_nodes list_nodes list_nodes_with_gone",
    ),
    (READERS, "list_nodes_with_gone running_on served_tasks"),
    (READERS, "at_work log_of progress_of"),
    ({"worker", "operator"}, "forget_log keep_own_revision replace_own_payload trim_log"),
    ({"operator"}, "request_drain"),
    (EVERYBODY, "age_of_queue opening_hours queue_settings sample_line shut_queues"),
    (READERS, "arrivals known_queues queue_lines running_in_queues told_by_nodes"),
    (READERS, "ageing_queues watched_queues"),
    ({"worker", "operator"}, "move_opening set_queue"),
    ({"worker", "operator"}, "keep_marks leave_line raise_ready waited"),
    ({"operator"}, "pause_queue resume_queue"),
    (READERS, "list_succeeded list_unsuccessful tally"),
    ({"viewer", "operator"}, "count_dead find_dead group_dead list_dead"),
    (READERS, "peek"),
    (EVERYBODY, "place_in_line"),
    ({"operator"}, "find_job keep_last_attempt request_cancel"),
    ({"worker", "operator"}, "claim_one claim_suspect redrive"),
    # parts of moves of which an operator may make some
    ({"worker", "operator"}, "append_attempts cancel_blocked cancel_ready cancel_scheduled due"),
    ({"worker", "operator"}, "finish forget_cancellations hand_back leave_blocked leave_ready"),
    ({"worker", "operator"}, "leave_ready_by_job leave_scheduled served stage unpark unserved"),
    ({"worker", "operator"}, "heads_of hold_ended hold_lease set_aside_as_a_whole suspects_of"),
    # what has expired, and what is old enough
    ({"producer", "worker"}, "set_expiry"),
    (EVERYBODY, "all_queue_settings count_waiting"),
    ({"worker", "operator"}, "drop_oldest"),
    (READERS, "expired_among expiry_of first_worker next_expiry"),
    ({"worker", "operator"}, "expire_blocked expire_ready expire_scheduled leave_ready_for_good"),
    ({"worker", "operator"}, "hold_old remove_attempt remove_cancellation"),
    ({"worker", "operator"}, "remove_checkpoint remove_done remove_expiry remove_job remove_log"),
    ({"worker", "operator"}, "remove_progress remove_revision leave_done"),
    (READERS, "ended_of walk_succeeded walk_unsuccessful"),
    # jobs that their task has set aside, and of which version a payload is
    (EVERYBODY, "id_of"),
    (READERS, "deferred_since"),
    ({"worker", "operator"}, "envelope_of hold_deferred"),
    # keys
    (EVERYBODY, "number_of standings"),
    ({"producer", "worker"}, "hold_idempotency_keys remember_firsts"),
    ({"producer", "worker", "operator"}, "hold_unique_keys take_unique_keys"),
    ({"worker", "operator"}, "key_of prune_idempotency prune_unique_keys"),
    ({"worker", "operator"}, "forget_revisions hold_waiting keep_revision replace_payload"),
    ({"producer", "worker", "operator"}, "slice_of_unique_keys"),
    # what the doctor asks
    (EVERYBODY, "bounded_queues ended_windows long_held_keys paused_for waiting_queues"),
    (READERS, "dead_lately expired_for latest_instant long_deferred"),
    (READERS, "longest_kept tally_bounded"),
    # to migrate, and to move a store to here, is for its owner
    (set(), "moved note_arrival raise_number record_migration"),
]
MAY = {name: roles for roles, names in PARTS for name in names.split()}
"""Who may execute a statement, besides the owner; only the worker where nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """A migrated schema with its five roles."""

    schema: str

    def url(self, role: str) -> str:
        """The store's address for this role."""
        parts = urlsplit(store_url(self.schema))
        server = parts.netloc.rpartition("@")[2]
        login = f"{self.schema}_{role}:{PASSWORD.replace(' ', '%20')}"
        return parts._replace(netloc=f"{login}@{server}").geturl()

    def as_role(self, role: str) -> "psycopg.Connection[Any]":
        """A connection with the rights of this role."""
        connection = connect()
        connection.execute(f"SET ROLE {self.schema}_{role}")
        return connection


@contextmanager
def alone() -> Iterator["psycopg.Connection[Any]"]:
    """A connection while no other process of the tests changes who may use this database: the
    server lets nobody wait for that row."""
    with connect() as connection:
        connection.execute("SELECT pg_advisory_lock(hashtextextended('roles of tests', 0))")
        yield connection


def make_roles(schema: str, **options: Any) -> None:
    """Execute the script, as psql would."""
    with alone() as connection:
        connection.execute(script(schema, prefix=schema, **options).encode())
        for name in NAMES:
            connection.execute(f"ALTER ROLE {schema}_{name} PASSWORD '{PASSWORD}'")


def drop_roles(schema: str, *more: str) -> None:
    """Remove them, with whatever they were granted, by others as well."""
    names = ", ".join([f"{schema}_{name}" for name in NAMES] + list(more))
    with alone() as connection:
        for giver in more:
            connection.execute(f"REVOKE ALL ON DATABASE {database()} FROM {giver} CASCADE")
        connection.execute(f"DROP OWNED BY {names} CASCADE")
        connection.execute(f"DROP ROLE {names}")


def database() -> str:
    [(name,)] = ask("SELECT quote_ident(current_database())")
    return str(name)


@pytest.fixture(scope="module", autouse=True)
def _no_pooler() -> None:
    """A pooler lets in only the logins that its own settings name."""
    if read_target(server_url(), SystemClock()).pooled:
        pytest.skip("logins of its own behind a pooler")


@pytest.fixture(scope="module")
def company() -> Iterator[Company]:
    schema = new_schema()
    make_roles(schema)
    with JobHost(Company(schema=schema).url("owner")) as owner:
        assert owner.migrate()
    make_roles(schema)
    yield Company(schema=schema)
    drop_schema(schema)
    drop_roles(schema)


@pytest.fixture
def join(company: Company) -> Iterator[Callable[[str], JobHost]]:
    """The program that runs in every role, logged in as one of them."""
    hosts = []

    def join(role: str) -> JobHost:
        hosts.append(program(company.url(role)))
        return hosts[-1]

    yield join
    for host in hosts:
        host.close()
    for table in TABLES:
        if table != "migration":
            ask(f"DELETE FROM {company.schema}.{table}")


def program(url: str) -> JobHost:
    host = JobHost(url)
    snoozed = []

    @host.task
    def double(number: int) -> int:
        return 2 * number

    @host.task(retry=Retry(max_attempts=1))
    def fail() -> None:
        raise ValueError("boom")

    @host.task(retry=Retry(max_attempts=3, first_delay="1ms"))
    def fail_often() -> None:
        raise ValueError("boom")

    @host.task
    def snooze() -> None:
        if not snoozed:
            snoozed.append(1)
            raise Snooze("1ms")

    @host.task
    def enqueue_more() -> None:
        host.tasks.get("double").enqueue(21)

    return host


def enqueue(host: JobHost, task: str, *arguments: Any, **options: Any) -> Any:
    return host.tasks.get(task).using(**options).enqueue(*arguments)


def work(host: JobHost) -> None:
    host.worker(burst=True, concurrency=2).run()


# --- each its part -----------------------------------------------------------------------------


def test_a_producer_enqueues(join: Callable[[str], JobHost]) -> None:
    producer = join("producer")
    double = producer.tasks.get("double")
    enqueue(producer, "double", 1)
    enqueue(producer, "double", 1, delay="1h")
    double.enqueue_many([(1,), (2,)])
    assert join("viewer").store.read(look.tally).states[State.READY] == 3


def test_a_producer_enqueues_from_sql(join: Callable[[str], JobHost], company: Company) -> None:
    join("viewer")
    with company.as_role("producer") as connection:
        accepted = f"SELECT {company.schema}.enqueue('double', '{{\"number\": 21}}')"
        [(job_id,)] = connection.execute(accepted)
    work(join("worker"))
    assert join("viewer").job(job_id).result("1s") == 42


def test_a_worker_runs_what_was_enqueued_however_it_ends(join: Callable[[str], JobHost]) -> None:
    producer, worker, viewer = join("producer"), join("worker"), join("viewer")
    tasks = ("fail", "fail_often", "snooze", "enqueue_more")
    ids = [enqueue(producer, task).id for task in tasks]
    ids.append(enqueue(producer, "double", 21, delay="1ms").id)
    while viewer.jobs(state="ready") or viewer.jobs(state="scheduled"):
        work(worker)
    ended = [viewer.job(job_id).status().state.value for job_id in ids]
    assert ended == ["dead", "dead", "succeeded", "succeeded", "succeeded"]
    assert [job.task for job in viewer.jobs(state="succeeded")].count("double") == 2
    assert len(viewer.job(ids[1]).attempts()) == 3
    assert worker.job(ids[4]).result("1s") == 42


def test_a_worker_keeps_house(join: Callable[[str], JobHost], company: Company) -> None:
    """It parks what nobody knows, stages what is due, and takes over from the dead."""
    enqueue(join("producer"), "double", 1)
    store = join("worker").store
    session = store.session()
    dead, rescuer = (session.write(lambda task=task: nodes.register(a_node(task))) for task in "ab")
    assert session.write(lambda: stage.stage(["default"])).parked == 1
    known = session.write(lambda: nodes.register(a_node("double")))
    assert session.write(lambda: stage.stage(["default"])).unparked == 1
    session.write(lambda: nodes.leave(known))
    ask(f"UPDATE {company.schema}.node SET lease_until = 1 WHERE number = {dead}")
    order = nodes.Rescue(node=dead, worker="here:1", rescuer=rescuer, died=False)
    session.write(lambda: nodes.rescue(order))
    assert [node.number for node in session.read(nodes.live_nodes)] == [rescuer]
    session.close()


def a_node(task: str) -> nodes.NewNode:
    return nodes.NewNode(
        id=new_ids(1)[0].hex(),
        host="here",
        pid=1,
        version="1",
        slots=1,
        queues=["default"],
        tasks=[task],
        lease_us=60_000_000,
    )


def test_a_viewer_looks(join: Callable[[str], JobHost]) -> None:
    job = enqueue(join("producer"), "double", 1)
    viewer = join("viewer")
    for state in (None, *State):
        viewer.jobs(state=state)
    assert viewer.job(job.id).status().payload
    assert viewer.job(job.id).attempts() == []
    assert viewer.store.read(look.served_queues) == frozenset()


def test_an_operator_looks_cancels_and_redrives(join: Callable[[str], JobHost]) -> None:
    producer, operator = join("producer"), join("operator")
    waiting, later = enqueue(producer, "fail"), enqueue(producer, "fail", delay="1h")
    for job in (waiting, later):
        assert operator.job(job.id).cancel() is CancelResult.CANCELLED
    operator.job(waiting.id).redrive()
    work(join("worker"))
    assert operator.job(waiting.id).status().state is State.DEAD
    operator.job(waiting.id).redrive()
    assert operator.job(waiting.id).status().state is State.READY
    assert len(operator.job(waiting.id).attempts()) == 1


def test_an_operator_asks_a_worker_to_stop_a_job(join: Callable[[str], JobHost]) -> None:
    job = enqueue(join("producer"), "double", 1)
    store = join("worker").store
    node = store.write(lambda: nodes.register(a_node("double")))
    from jobhost.store.plans.cycle import claim_one

    store.write(lambda: claim_one(job.id.bytes, "double", node))
    assert join("operator").job(job.id).cancel() is CancelResult.REQUESTED
    store.write(lambda: nodes.leave(node))


def test_an_operator_drains_nodes_and_a_viewer_sees_who_is_there(
    join: Callable[[str], JobHost],
) -> None:
    store = join("worker").store
    number = store.write(lambda: nodes.register(a_node("double")))
    assert join("operator").store.write(lambda: drain(number)) is DrainResult.REQUESTED
    assert store.write(lambda: nodes.heartbeat(number, 60_000_000, "{}")).drain
    (seen,) = join("viewer").nodes(gone=True)
    assert (seen.number, seen.state) == (number, "draining")
    store.write(lambda: nodes.leave(number))


def test_a_worker_sets_suspects_aside_and_runs_them_alone(join: Callable[[str], JobHost]) -> None:
    job = enqueue(join("producer"), "double", 1)
    store = join("worker").store
    number = store.write(lambda: nodes.register(a_node("double")))
    moved = store.write(lambda: suspects.set_aside(number, ["double"], ["default"]))
    assert moved == 1
    assert store.write(lambda: suspects.bring_back("double")) == 1
    store.write(lambda: suspects.set_aside(number, ["double"], ["default"]))
    taken = store.write(lambda: suspects.claim_suspect(number, '["double"]'))
    assert taken is not None
    assert taken.id == job.id.bytes
    rescuer = store.write(lambda: nodes.register(a_node("double")))
    order = nodes.Rescue(node=number, worker="here:1", rescuer=rescuer, died=True, own_doing=True)
    assert store.write(lambda: nodes.rescue(order)).proven == ("double",)
    store.write(lambda: nodes.leave(rescuer))


def test_the_owner_migrates_without_a_right_on_the_database(company: Company) -> None:
    schema = company.schema
    database = "has_database_privilege(%(role)s, current_database(), 'CREATE')"
    assert ask(f"SELECT {database}", role=f"{schema}_owner") == [(False,)]
    with JobHost(company.url("owner")) as owner:
        assert owner.migrate() == []


# --- nothing else ------------------------------------------------------------------------------


def _migrate(host: JobHost, job: Any) -> None:
    host.migrate()


FORBIDDEN: dict[str, Callable[[JobHost, Any], Any]] = {
    "enqueue": lambda host, job: enqueue(host, "double", 1),
    "enqueue later": lambda host, job: enqueue(host, "double", 1, delay="1h"),
    "work": lambda host, job: work(host),
    "status": lambda host, job: host.job(job.id).status(),
    "result": lambda host, job: host.job(job.id).result("1s"),
    "attempts": lambda host, job: host.job(job.id).attempts(),
    "list": lambda host, job: host.jobs(),
    "tally": lambda host, job: host.store.read(look.tally),
    "cancel": lambda host, job: host.job(job.id).cancel(),
    "redrive": lambda host, job: host.job(job.id).redrive(),
    "resume": lambda host, job: host.job(job.id).resume(),
    "drain": lambda host, job: host.store.write(lambda: drain(1)),
    "migrate": _migrate,
}

MUST_NOT = {
    "producer": ("work", "status", "result", "attempts", "list", "tally", "cancel", "redrive",
                 "resume", "drain", "migrate"),
    "worker": ("cancel", "redrive", "drain", "migrate"),
    "viewer": ("enqueue", "enqueue later", "work", "cancel", "redrive", "resume", "drain",
               "migrate"),
    "operator": ("enqueue", "enqueue later", "work", "migrate"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("role", "what"), [(role, what) for role, all_of in MUST_NOT.items() for what in all_of]
)
def test_what_is_not_a_role_s_part_is_refused_with_the_next_step(
    join: Callable[[str], JobHost], role: str, what: str
) -> None:
    job = enqueue(join("producer"), "fail")
    with pytest.raises(StoreUnavailable, match=r"refused a right; .*'jobhost roles --sql'"):
        FORBIDDEN[what](join(role), job)
    assert join("viewer").job(job.id).status().state is State.READY


@pytest.mark.parametrize("name", sorted(statements("jobhost", server_time=True)))
def test_each_statement_is_for_the_roles_whose_part_it_is(
    company: Company, connections: dict[str, "psycopg.Connection[Any]"], name: str
) -> None:
    text = statements(company.schema, server_time=True)[name].text
    able = {role for role in NAMES if may_execute(connections[role], text)}
    assert able == {"owner"} | MAY.get(name, {"worker"}), (
        f"say in roles.py what {name} needs, and in MAY who has it"
    )


NARROW = [
    right
    for role in ("producer", "worker", "operator")
    for right in needed_rights()[role]
    if right.on in TABLES and not (role == "operator" and right.right == "SELECT")
]
"""The rights on tables, but for those of people to look."""


@pytest.mark.parametrize("role", ["producer", "worker", "operator"])
def test_without_any_single_right_a_statement_of_the_part_is_refused(
    company: Company, role: str
) -> None:
    """So none is granted in vain, nor for more columns than are needed."""
    schema = company.schema
    texts = statements(schema, server_time=True)
    part = [texts[name].text for name in texts if role in MAY.get(name, {"worker"})]
    with connect() as connection:
        connection.autocommit = False
        for right in (one for one in NARROW if one.role == role):
            asking = [text for text in part if right.on.encode() in text]
            for lost, left in fewer(schema, right):
                connection.execute(f"REVOKE {lost} FROM {schema}_{role}")
                if left:
                    connection.execute(f"GRANT {left} TO {schema}_{role}")
                connection.execute(f"SET LOCAL ROLE {schema}_{role}")
                refused = any(not may_execute(connection, text) for text in asking)
                connection.rollback()
                assert refused, f"{role} needs no {lost}"


def fewer(schema: str, right: Right) -> Iterator[tuple[str, str]]:
    """What can be taken from a right: all of it, or of a written table one column, with what is
    left then."""
    on = f"ON {schema}.{right.on}"
    if right.column is not None:
        yield f"{right.right} ({right.column}) {on}", ""
        return
    yield f"{right.right} {on}", ""
    if right.right in ("INSERT", "UPDATE"):
        columns = [name for (name,) in ask(COLUMNS, table=f"{schema}.{right.on}")]
        for column in columns:
            others = ", ".join(name for name in columns if name != column)
            yield f"{right.right} {on}", f"{right.right} ({others}) {on}"


COLUMNS = (
    "SELECT attname FROM pg_attribute WHERE attrelid = %(table)s::regclass AND attnum > 0 "
    "AND NOT attisdropped"
)


def may_execute(connection: "psycopg.Connection[Any]", text: bytes) -> bool:
    """Whether the server lets it plan and open the statement; nothing is executed."""
    names = {found.decode() for found in re.findall(rb"%\((\w+)\)s", text)}
    values: dict[str, Any] = dict.fromkeys(names)
    if "encode(%(id)s" in text.decode():
        values["id"] = bytes(16)  # of nothing the server would know that there is none
    if "before" in names:
        values["before"] = 0
    try:
        with connection.transaction():
            connection.execute(b"EXPLAIN " + text, values)
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


@pytest.fixture(scope="module")
def connections(company: Company) -> Iterator[dict[str, "psycopg.Connection[Any]"]]:
    """One for each role, since each statement is tried by all."""
    connections = {role: company.as_role(role) for role in NAMES}
    yield connections
    for connection in connections.values():
        connection.close()


SQL_REFUSED = [
    ("producer", "SELECT payload FROM {}.job"),
    ("producer", "SELECT * FROM {}.jobs"),
    ("producer", "SELECT id FROM {}.node"),
    ("producer", "UPDATE {}.job SET payload = '[]'"),
    ("producer", "DELETE FROM {}.ready"),
    ("producer", "SELECT setval('{}.number', 1)"),
    ("worker", "UPDATE {}.job SET parent = NULL"),
    ("worker", "UPDATE {}.job SET queue = 'other'"),
    ("worker", "UPDATE {}.job SET number = 1"),
    ("worker", "UPDATE {}.done SET result = '1'"),
    ("worker", "UPDATE {}.progress SET job = 1"),
    ("worker", "UPDATE {}.checkpoint SET job = 1"),
    ("worker", "UPDATE {}.unique_key SET task = 'other'"),
    ("worker", "SELECT payload FROM {}.revision"),
    ("worker", "UPDATE {}.revision SET payload = '[]'"),
    ("worker", "UPDATE {}.attempt SET outcome = 'succeeded'"),
    ("worker", "DELETE FROM {}.queue"),
    ("worker", "UPDATE {}.queue SET paused_at = NULL"),
    ("producer", "UPDATE {}.idempotency SET task = 'other'"),
    ("operator", "UPDATE {}.idempotency SET id = id"),
    ("operator", "UPDATE {}.queue SET name = 'other'"),
    ("operator", "DELETE FROM {}.node"),
    ("worker", "UPDATE {}.node SET host = 'elsewhere'"),
    ("worker", "UPDATE {}.ready SET task = 'other'"),
    ("worker", "CREATE TABLE {}.mine (x int)"),
    ("worker", "DROP TABLE {}.ready"),
    ("worker", "TRUNCATE {}.ready"),
    ("worker", "ALTER TABLE {}.ready SET (autovacuum_enabled = off)"),
    ("viewer", "SELECT payload FROM {}.job"),
    ("viewer", "SELECT result FROM {}.done"),
    ("viewer", "SELECT * FROM {}.ready FOR UPDATE"),
    ("viewer", "SELECT nextval('{}.number')"),
    ("operator", "UPDATE {}.job SET task = 'other'"),
    ("operator", "DELETE FROM {}.running"),
    ("operator", "UPDATE {}.done SET state = 'succeeded'"),
    ("operator", "UPDATE {}.node SET lease_until = 0"),
    ("worker", "UPDATE {}.node SET drain_requested_at = 1"),
    ("viewer", "UPDATE {}.node SET drain_requested_at = 1"),
    ("owner", "CREATE SCHEMA {}_more"),
]


@pytest.mark.parametrize(("role", "text"), SQL_REFUSED)
def test_sql_beyond_a_role_s_part_is_refused(company: Company, role: str, text: str) -> None:
    with company.as_role(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(text.format(company.schema))


def test_a_login_without_a_role_sees_nothing(company: Company) -> None:
    stranger = f"{company.schema}_stranger"
    ask(f"CREATE ROLE {stranger}")
    try:
        with connect() as connection:
            connection.execute(f"SET ROLE {stranger}")
            for text in ("SELECT * FROM {}.jobs", "SELECT {}.clock()", "SELECT * FROM {}.ready"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(text.format(company.schema))
    finally:
        ask(f"DROP ROLE {stranger}")


# --- the script --------------------------------------------------------------------------------


def test_the_table_of_roles_names_all_that_the_schema_has(company: Company) -> None:
    found = ask(
        "SELECT relkind::text, relname FROM pg_class "
        "WHERE relnamespace = %(schema)s::regnamespace AND relkind IN ('r', 'v', 'S') UNION ALL "
        "SELECT 'f', proname FROM pg_proc WHERE pronamespace = %(schema)s::regnamespace",
        schema=company.schema,
    )
    named = {("S", SEQUENCE)} | {("f", name.partition("(")[0]) for name in FUNCTIONS}
    named |= {("r", name) for name in TABLES} | {("v", name) for name in VIEWS}
    assert set(found) == named


def test_all_belongs_to_the_owner_also_what_another_login_made() -> None:
    schema = new_schema()
    with JobHost(store_url(schema)) as maker:
        maker.migrate()
    make_roles(schema)
    owners = ask(
        "SELECT DISTINCT relowner::regrole::text FROM pg_class "
        "WHERE relnamespace = %(schema)s::regnamespace "
        "UNION SELECT proowner::regrole::text FROM pg_proc "
        "WHERE pronamespace = %(schema)s::regnamespace "
        "UNION SELECT nspowner::regrole::text FROM pg_namespace "
        "WHERE oid = %(schema)s::regnamespace",
        schema=schema,
    )
    drop_schema(schema)
    drop_roles(schema)
    assert owners == [(f"{schema}_owner",)]


def test_repeating_the_script_takes_back_what_was_granted_beside_it(company: Company) -> None:
    schema = company.schema
    before = grants(schema)
    ask(f"GRANT ALL ON {schema}.job TO {schema}_viewer, PUBLIC")
    ask(f"GRANT USAGE ON SCHEMA {schema} TO PUBLIC")
    assert grants(schema) != before
    make_roles(schema)
    make_roles(schema)
    assert grants(schema) == before


def grants(schema: str) -> list[tuple[Any, ...]]:
    return ask(
        "SELECT relname, relacl::text, ARRAY(SELECT attname || attacl::text FROM pg_attribute a "
        "WHERE a.attrelid = c.oid AND attacl IS NOT NULL ORDER BY attnum), nspacl::text "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
        "WHERE nspname = %(schema)s ORDER BY 1",
        schema=schema,
    )


def test_the_roles_carry_the_settings(company: Company) -> None:
    carried = {
        role: dict(pair.split("=", 1) for pair in settings)
        for role, settings in ask(
            "SELECT rolname, rolconfig FROM pg_roles WHERE rolname LIKE %(like)s",
            like=f"{company.schema}\\_%",
        )
    }
    time_outs = {name for name in SETTINGS if name.endswith("timeout")}
    for name in NAMES:
        has = carried[f"{company.schema}_{name}"]
        expected = time_outs if name in ("owner", "viewer") else set(SETTINGS)
        assert has == {key: SETTINGS[key] for key in expected}


def test_who_creates_roles_needs_not_be_a_superuser() -> None:
    schema = new_schema()
    admin = f"{schema}_admin"
    ask(f"CREATE ROLE {admin} CREATEROLE")
    with alone() as connection:
        given = f"CREATE, CONNECT ON DATABASE {database()}"
        connection.execute(f"GRANT {given} TO {admin} WITH GRANT OPTION")

    def as_admin() -> None:
        with alone() as connection:
            connection.execute(f"SET ROLE {admin}")
            connection.execute(script(schema, prefix=schema).encode())

    try:
        as_admin()
        with alone() as connection:
            connection.execute(f"ALTER ROLE {schema}_owner PASSWORD '{PASSWORD}'")
        with JobHost(Company(schema=schema).url("owner")) as owner:
            owner.migrate()
        as_admin()
        may = "has_table_privilege(%(role)s, %(table)s, 'INSERT')"
        found = ask(f"SELECT {may}", role=f"{schema}_producer", table=f"{schema}.ready")
        assert found == [(True,)]
    finally:
        drop_schema(schema)
        drop_roles(schema, admin)


def test_payloads_can_be_kept_from_the_viewer(company: Company) -> None:
    schema = company.schema
    make_roles(schema, payloads=False)
    try:
        with company.as_role("viewer") as connection:
            connection.execute(f"SELECT id, state, queue, worker, failures FROM {schema}.jobs")
            connection.execute(f"SELECT job, epoch, outcome FROM {schema}.attempts")
            for column in ("payload", "envelope", "result", "error", "reason"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(f"SELECT {column} FROM {schema}.jobs")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT error FROM {schema}.attempts")
        with JobHost(company.url("viewer")) as viewer:
            found = {finding.check: finding for finding in viewer.store.checkup()}
        assert found["rights"].sentence.endswith("has the rights of: viewer without payloads")
        assert "may not look" not in str(found)
    finally:
        make_roles(schema)


def test_every_right_named_is_one_that_the_role_has(company: Company) -> None:
    """What the doctor asks for is what the script grants."""
    for role in NAMES[1:]:
        with JobHost(company.url(role)) as host:
            found = {finding.check: finding for finding in host.store.checkup()}
        able = found["rights"].sentence.partition("has the rights of: ")[2].split(", ")
        assert set(able) == {role} | ({"producer"} if role == "worker" else set()) | (
            {"viewer"} if role == "operator" else set()
        )


@pytest.mark.parametrize("prefix", ["", "Upper", "a-b", "1st", "x" * 49, "a;b"])
def test_a_prefix_that_makes_no_name_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidOption, match="--prefix must be"):
        script("jobhost", prefix=prefix)


def test_a_schema_of_everybody_is_refused() -> None:
    with pytest.raises(InvalidOption, match="another one"):
        script("public")
