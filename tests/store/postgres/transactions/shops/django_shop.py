"""A shop on Django: orders, and jobs that pack them.

usage: django_shop.py URL TABLE
A program of its own, since Django is configured once in a process.
"""

import sys
from contextlib import suppress

import django
from django.conf import settings
from django.db import DatabaseError, connection, connections, transaction

from jobhost import JobHost, UsageError
from jobhost.clock import SystemClock
from jobhost.store.postgres.target import read_target

url, table = sys.argv[1:]
place = read_target(url, SystemClock()).parameters
database = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": place["dbname"],
    "USER": place["user"],
    "PASSWORD": place.get("password", ""),
    "HOST": place.get("host", ""),
    "PORT": place.get("port", ""),
}
settings.configure(DATABASES={"default": database})
django.setup()
host = JobHost(url)


class CancelledError(Exception):
    """The customer has thought better of it."""


@host.task
def pack(order: str) -> None: ...


def accept(order: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} VALUES (%s)", [order])
    pack.enqueue_with(connection, order)


with suppress(CancelledError), transaction.atomic():
    accept("gone")
    raise CancelledError
with transaction.atomic():
    accept("kept")
    with suppress(CancelledError), transaction.atomic():
        accept("undone")
        raise CancelledError
    assert len(host.jobs()) == 0
with transaction.atomic():
    pack.enqueue_with(connections["default"], "by alias")
try:
    pack.enqueue_with(connection, "at once")
except UsageError as error:
    assert "transaction.atomic()" in str(error)
else:
    raise AssertionError("outside a transaction there is nothing to wait for")
with suppress(CancelledError), transaction.atomic():
    with (
        suppress(DatabaseError),
        transaction.atomic(savepoint=False),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT FROM no_such_table")
    try:
        pack.enqueue_with(connection, "lost")
    except transaction.TransactionManagementError as error:
        assert "until the end of the 'atomic' block" in str(error)
    else:
        raise AssertionError("this block can only be rolled back")
    raise CancelledError
for wrong, instead in (
    (connections, "connections['default']"),
    (connection.cursor(), "connection"),
):
    try:
        pack.enqueue_with(wrong, "wrong")
    except UsageError as error:
        assert instead in str(error)
    else:
        raise AssertionError(f"{wrong!r} is no connection")
connection.close()
host.close()
