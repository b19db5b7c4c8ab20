"""A shop on Django over SQLite: orders, and jobs that pack them.

usage: django_on_sqlite.py FILE
A program of its own, since Django is configured once in a process.
"""

import sys
from contextlib import suppress

import django
from django.conf import settings
from django.db import connection, connections, transaction

from jobhost import JobHost, UsageError

[path] = sys.argv[1:]
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": path}},
)
django.setup()
host = JobHost(f"sqlite:///{path}")


class CancelledError(Exception):
    """The customer has thought better of it."""


@host.task
def pack(order: str) -> None: ...


def accept(order: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO orders VALUES (%s)", [order])
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
connection.close()
host.close()
