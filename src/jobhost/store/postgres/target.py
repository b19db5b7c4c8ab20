"""Where and how to connect."""

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from jobhost.clock import Clock, SystemClock
from jobhost.errors import InvalidOption

_EXPECTED: Final = "postgresql://user:password@host:5432/database?schema=jobhost"
_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,47}")
_POOLERS: Final = ("none", "transaction")

_TRANSPORT: Final[dict[str, Any]] = {
    "application_name": "jobhost",
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""A server that has vanished is noticed within about half a minute. The address may say other."""

SETTINGS: Final = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
}
"""Of every connection: queue tables look empty to the planner, so it gets no choice: joins look up
one row after the other. And nothing waits for ever. Behind a pooler they are set for each
transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where and how to connect.

    Args:
        parameters: What libpq takes, the password included.
        schema: Name of the schema that holds the store.
        pooled: A pooler hands each transaction to another server connection: nothing may
            outlive a transaction, neither a prepared statement nor a setting nor LISTEN.
        clock: The store's clock if it is moved by hand; None for the server's.
    """

    parameters: dict[str, Any]
    schema: str
    pooled: bool
    clock: Clock | None

    @property
    def place(self) -> str:
        """Server and database in words, without secrets."""
        host = self.parameters.get("host", "localhost")
        return f"{self.parameters.get('dbname', '')!r} on {host}"

    @property
    def url(self) -> str:
        """The address without the password."""
        known = dict(self.parameters)
        user, host = known.pop("user", ""), str(known.pop("host", ""))
        port, name = known.pop("port", ""), known.pop("dbname", "")
        for hidden in ("password", *_TRANSPORT):
            known.pop(hidden, None)
        if host.startswith("/"):
            known["host"], host = host, ""
        place = (f"{quote(str(user), safe='')}@" if user else "") + host
        place += f":{port}" if port else ""
        known["schema"] = self.schema
        if self.pooled:
            known["pooler"] = "transaction"
        query = urlencode(known, safe="/", quote_via=quote)
        return f"postgresql://{place}/{quote(str(name), safe='')}?{query}"


def read_target(url: str, clock: Clock) -> Target:
    """The target that an address names. Raises InvalidOption when it cannot be read."""
    parts = urlsplit(url)
    # For libpq a plus is a plus and a space is %20, other than in the forms of the web.
    given = dict(parse_qsl(parts.query.replace("+", "%2B"), keep_blank_values=True))
    schema = given.pop("schema", "jobhost")
    if not _SCHEMA.fullmatch(schema):
        raise InvalidOption(
            f"schema must be up to 48 small letters, digits and underscores; got {schema!r}"
        )
    pooler = given.pop("pooler", "none")
    if pooler not in _POOLERS:
        raise InvalidOption(f"pooler must be {' or '.join(_POOLERS)}; got {pooler!r}")
    plain = f"postgresql://{parts.netloc}{parts.path}?{urlencode(given, quote_via=quote)}"
    try:
        parameters = conninfo_to_dict(plain)
    except psycopg.ProgrammingError as error:
        raise InvalidOption(
            f"this address cannot be read ({str(error).strip()}); it should look like {_EXPECTED}"
        ) from None
    return Target(
        parameters={**_TRANSPORT, **parameters},
        schema=schema,
        pooled=pooler == "transaction",
        clock=None if isinstance(clock, SystemClock) else clock,
    )
