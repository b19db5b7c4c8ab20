"""`jobhost.enqueue(...)`: jobs from plain SQL, with nothing of jobhost in the program."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from postgres_server import ask, shared_schema

from jobhost import JobHost, Task

from .orders import Caller, Orders, Serving

Pack = Task[[str, int], str, str]


@pytest.fixture
def pack(pg_host: JobHost) -> Pack:
    @pg_host.task
    def pack(order: str, copies: int = 1) -> str:
        return f"packed {order} {copies} times"

    return pack


def enqueue(arguments: str, **values: Any) -> UUID:
    """Call the function in a transaction by itself."""
    job_id: UUID = ask(f"SELECT {shared_schema()}.enqueue({arguments})", **values)[0][0]
    return job_id


@pytest.mark.requirement("R-VM-6")
def test_a_job_from_plain_sql_is_run_by_a_worker_that_sleeps(
    pg_host: JobHost, pack: Pack, serving: Serving
) -> None:
    with serving(pg_host):
        assert pack.enqueue("warm", 1).result("20s") == "packed warm 1 times"
        job_id = enqueue("""'pack', '{"order": "ä€😀", "copies": 2}'""")
        job = pg_host.job(job_id)
        assert job.result("20s") == "packed ä€😀 2 times"
        later = enqueue("""'pack', '{"order": "b"}', run_at => now() + interval '10 ms'""")
        assert pg_host.job(later).result("20s") == "packed b 1 times"
    record = job.status()
    assert (record.queue, record.priority, record.parent) == ("default", 0, None)
    assert (record.envelope.trigger_kind, record.envelope.trigger_detail) == ("event", "sql")
    assert record.correlation_id == str(job_id)


@pytest.mark.requirement("R-EVT-3")
def test_a_trigger_enqueues_for_each_row_that_is_committed(
    pg_host: JobHost, caller: Caller, pack: Pack, orders: Orders, serving: Serving
) -> None:
    ask(
        f"""
        CREATE FUNCTION {orders.schema}.pack_order() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM {shared_schema()}.enqueue('pack', jsonb_build_object('order', NEW.name));
            RETURN NEW;
        END $$
        """
    )
    ask(
        f"CREATE TRIGGER packing AFTER INSERT ON {orders.table} "
        f"FOR EACH ROW EXECUTE FUNCTION {orders.schema}.pack_order()"
    )
    caller.execute(orders.insert("gone").encode())
    caller.rollback()
    assert pg_host.jobs() == []
    with serving(pg_host):
        caller.execute(orders.insert("kept").encode())
        assert pg_host.jobs() == []
        caller.commit()
        (record,) = pg_host.jobs()
        assert pg_host.job(record.id).result("20s") == "packed kept 1 times"


def test_all_parameters_by_name(pg_host: JobHost) -> None:
    given = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
    due = datetime(2100, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    arguments = (
        "task => 'mail', args => '{}', queue => 'slow', priority => -100, "
        "run_at => %(due)s, id => %(id)s"
    )
    assert enqueue(arguments, due=due, id=given) == given
    record = pg_host.job(given).status()
    assert (record.task, record.queue, record.priority) == ("mail", "slow", -100)
    assert (record.state, record.due_at, record.payload) == ("scheduled", due, "{}")


def test_ids_are_made_as_producers_make_them(pg_host: JobHost, pack: Pack) -> None:
    made = [enqueue("'pack'") for _ in range(200)]
    assert {job_id.version for job_id in made} == {7}
    assert {job_id.variant for job_id in made} == {"specified in RFC 4122"}
    assert len(set(made)) == 200
    own = pack.enqueue("a", 1).id
    milliseconds = [job_id.int >> 80 for job_id in (*made, own)]
    assert milliseconds == sorted(milliseconds)
    assert milliseconds[-1] - milliseconds[0] < 60_000


def test_a_repeat_under_the_same_id_changes_nothing(pg_host: JobHost) -> None:
    given = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
    assert enqueue("""'pack', '{"order": "first"}', id => %(id)s""", id=given) == given
    assert enqueue("""'other', '{"order": "second"}', id => %(id)s""", id=given) == given
    (record,) = pg_host.jobs()
    assert (record.task, record.payload) == ("pack", '{"order": "first"}')


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("NULL", "task must be printable text .* got NULL"),
        ("''", "task must be printable text .* got ''"),
        ("' pack'", "task must be printable text .* got ' pack'"),
        ("E'pa\\nck'", "task must be printable text"),
        ("repeat('x', 201)", "task must be printable text of 1 to 200 characters"),
        ("'pack', queue => ''", "queue must be printable text"),
        ("'pack', queue => NULL", "queue must be printable text .* got NULL"),
        ("'pack', '[1]'", r"args must be an object .* got \[1\]"),
        ("'pack', 'null'", "args must be an object .* got null"),
        ("'pack', NULL", "args must be an object .* got NULL"),
        ("'pack', jsonb_build_object('a', repeat('x', 1048576))", "args take 10485.. bytes"),
        ("'pack', priority => 101", "from -100 to 100, higher first; got 101"),
        ("'pack', priority => NULL", "from -100 to 100, higher first; got NULL"),
        ("'pack', run_at => 'infinity'", "of the years 1 to 9999 of UTC; got infinity"),
    ],
)
def test_wrong_use_is_refused_in_words(pg_host: JobHost, arguments: str, said: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=said):
        enqueue(arguments)
    assert pg_host.jobs() == []
