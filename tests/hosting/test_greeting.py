"""Whether two addresses lead to one store, whoever comes there."""

import pytest

from jobhost.hosting.greeting import difference, place
from jobhost.worker.wire import Hello

FIRST = "postgresql://me:old@db.example:5432/shop?schema=jobs&sslmode=require"


@pytest.mark.parametrize(
    "other",
    [
        "postgresql://me:new@db.example:5432/shop?schema=jobs&sslmode=require",
        "postgresql://other:new@db.example:5432/shop?schema=jobs&sslmode=require",
        "postgres://db.example:5432/shop?sslmode=require&schema=jobs&user=me&password=a%40b",
        "postgresql://me@db.example:5432/shop?schema=jobs&sslmode=require&passfile=/run/secret",
    ],
)
def test_another_login_leads_to_the_same_store(other: str):
    assert place(other) == place(FIRST)
    assert difference(_hello(FIRST), _hello(other), lane=False) == ""


@pytest.mark.parametrize(
    "other",
    [
        "postgresql://me:old@db2.example:5432/shop?schema=jobs&sslmode=require",
        "postgresql://me:old@db.example:5433/shop?schema=jobs&sslmode=require",
        "postgresql://me:old@db.example:5432/shop2?schema=jobs&sslmode=require",
        "postgresql://me:old@db.example:5432/shop?schema=others&sslmode=require",
        "sqlite:////srv/jobs.db",
    ],
)
def test_another_server_database_or_schema_is_another_store(other: str):
    assert place(other) != place(FIRST)
    said = difference(_hello(FIRST), _hello(other), lane=False)
    assert said == "its host has another store"


def test_without_a_name_the_database_is_that_of_the_user():
    assert place("postgresql://a:x@db") == place("postgresql://a:y@db")
    assert place("postgresql://a@db") != place("postgresql://b@db")
    assert place("postgresql://a@db?dbname=shop") == place("postgresql://b@db/shop?dbname=shop")


def test_two_files_are_two_stores():
    assert place("sqlite:////srv/a.db") != place("sqlite:////srv/b.db")
    assert place("sqlite:////srv/a.db") == place("sqlite:////srv/a.db")


def _hello(url: str) -> Hello:
    return Hello(url=url, tasks=["a"], queues={"mail": 1}, slots=2, version="1")
