"""`jobhost roles`: explained as a table and as JSON, and as SQL for psql."""

import json
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from commands import Call
from postgres_server import ask, drop_schema, new_schema, store_url

PARTS = ["owner", "producer", "worker", "viewer", "operator"]


def test_the_roles_are_explained(call: Call) -> None:
    done = call("roles")
    assert (done.code, done.err) == (0, "")
    _, *rows = done.out.splitlines()
    assert [row.split()[0] for row in rows] == [f"jobhost_{part}" for part in PARTS]
    assert "migrate" in rows[0]


def test_the_explanation_as_json(call: Call) -> None:
    told = json.loads(call("roles", "--json", "--prefix", "shop").out)["roles"]
    assert [role["name"] for role in told] == [f"shop_{part}" for part in PARTS]
    assert told[1]["rights"]["expiry"] == "INSERT"
    assert "plan_cache_mode" in told[2]["settings"]


def test_the_sql_is_for_the_schema_and_the_prefix_that_are_given(call: Call) -> None:
    plain = call("roles", "--sql").out
    assert 'GRANT INSERT ON TABLE "jobhost".expiry TO jobhost_producer;' in plain
    assert plain.index("BEGIN;") < plain.index("CREATE ROLE jobhost_owner") < plain.index("COMMIT;")
    given = call("roles", "--sql", "--schema", "billing", "--prefix", "acme").out
    assert 'GRANT INSERT ON TABLE "billing".expiry TO acme_producer;' in given
    assert '"jobhost"' not in given
    assert "jobhost_" not in given
    address = "postgresql://shop:hunter2@nowhere.example/shop?schema=crm"
    from_address = call("roles", "--sql", "--url", address).out
    assert '"crm".ready' in from_address
    assert "hunter2" not in from_address


def test_payloads_can_be_hidden(call: Call) -> None:
    shown, hidden = (call("roles", "--sql", *more).out for more in ([], ["--hide-payloads"]))
    assert 'GRANT SELECT ON TABLE "jobhost".jobs TO jobhost_viewer;' in shown
    assert 'GRANT SELECT ON TABLE "jobhost".jobs TO jobhost_viewer;' not in hidden
    assert "without payloads" in call("roles", "--hide-payloads").out


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("roles --sql --json", "give one of them"),
        ("roles --prefix A", "--prefix must be"),
        ("roles --sql --schema Upper", "schema must be"),
        ("roles --sql --schema a&pooler=x", "schema must be"),
        ("roles --sql --schema public", "schema 'public' is not the store's alone"),
        ("roles --url sqlite:///x.db", "only a store on PostgreSQL has roles"),
        ("roles --url mysql://shop:hunter2@x/y", "only a store on PostgreSQL has roles"),
    ],
)
def test_wrong_use_is_told_in_one_sentence(call: Call, line: str, part: str) -> None:
    done = call(*line.split())
    assert (done.code, done.out) == (2, "")
    assert part in done.err
    assert done.err.count("\n") == 1
    assert "hunter2" not in done.err


def test_a_producer_is_told_the_id_of_what_it_enqueued_where_it_may_not_look(call: Call) -> None:
    schema = new_schema()
    parts = urlsplit(store_url(schema))
    if "pooler" in parts.query:
        pytest.skip("a login of its own behind a pooler")
    try:
        assert call("migrate", "--url", parts.geturl()).code == 0
        made = call("roles", "--sql", "--url", parts.geturl(), "--prefix", schema).out
        ask(made)
        ask(f"ALTER ROLE {schema}_producer PASSWORD 'x'")
        login = f"{schema}_producer:x@{parts.netloc.rpartition('@')[2]}"
        producer = parts._replace(netloc=login).geturl()
        arguments = ("shop:host", "add", "--args", "[1]", "--queue", "elsewhere")
        done = call("enqueue", *arguments, "--url", producer)
        assert (done.code, done.err) == (0, "")
        assert UUID(done.out.split()[-1])
        assert call("jobs", "list", "--url", producer).code == 3
        [job] = json.loads(call("jobs", "list", "--json", "--url", parts.geturl()).out)["jobs"]
        assert job["queue"] == "elsewhere"
    finally:
        drop_schema(schema)
        for part in PARTS:
            ask(f"DROP OWNED BY {schema}_{part}")
            ask(f"DROP ROLE {schema}_{part}")
