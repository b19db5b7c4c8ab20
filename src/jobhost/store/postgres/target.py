"""Where and how to connect."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from jobhost.clock import Clock, SystemClock
from jobhost.errors import InvalidOption, did_you_mean

_EXPECTED: Final = "postgresql://user:password@host:5432/database?schema=jobhost"
_UNREADABLE: Final = (
    "this address cannot be read: the password or another part has a character that must be "
    "written as %XX, such as %40 for @, %2F for / or %25 for %, or one that has no place there; "
    f"it should look like {_EXPECTED}"
)
"""Nothing of the address, and nothing that libpq says of it: each may hold a part of a password."""

_PLAIN: Final = re.compile(r"(?:[^\s%#\x00-\x1f\x7f]|%(?!00)[0-9A-Fa-f]{2})*")
"""What an address consists of: no blanks, and a percent sign only before two digits."""

_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,47}")
_SCHEMAS_TAKEN: Final = re.compile(r"public|information_schema|pg_.*")
_POOLERS: Final = ("none", "transaction")
_OPTIONS: Final = ("schema", "pooler", "ssl")
"""Those of an address beside libpq's words; `ssl` is read by libpq in addresses alone."""

_SECRETS: Final = ("password", "sslpassword", "oauth_client_secret", "scram_client_key")

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

SESSION_SETTINGS: Final = {
    "default_transaction_isolation": r"read\ committed",
    "default_transaction_deferrable": "off",
    "idle_session_timeout": "0",
}
"""Of the store's own connections, whatever database, role and address say: its statements are
written for this isolation, and a worker may have nothing to do for long. A blank has a backslash,
as libpq's options want it. Behind a pooler each transaction says so."""

_ENCODING: Final = {"client_encoding": "UTF8"}
"""Text goes as UTF-8 and comes as such, whatever address, environment, role and database say."""


@cache
def _known_to_libpq() -> Mapping[str, str]:
    """libpq's words with what it takes without one, from its environment too."""
    return {
        option.keyword.decode(): (option.val or b"").decode(errors="replace")
        for option in Conninfo.get_defaults()
    }


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
        """Database, server and login in words, without secrets."""
        user = self._in_effect("user")
        host = self._in_effect("host") or self._in_effect("hostaddr") or "localhost"
        port = self._in_effect("port") or "5432"
        return f"{self._in_effect('dbname') or user!r} on {host}:{port} as {user!r}"

    @property
    def for_store(self) -> dict[str, Any]:
        """What libpq takes for a connection of the store's own."""
        if self.pooled:
            return {**self.parameters, **_ENCODING}
        given = self.parameters.get("options") or ""
        options = f"{_as_options(SETTINGS)} {given} {_as_options(SESSION_SETTINGS)}"
        return {**self.parameters, "options": options, **_ENCODING}

    @property
    def for_tasks(self) -> dict[str, Any]:
        """What libpq takes for a connection on which a task asks its own tables."""
        return {**self.parameters, **_ENCODING}

    def _in_effect(self, name: str) -> str:
        return str(self.parameters.get(name) or _known_to_libpq().get(name, ""))

    @property
    def url(self) -> str:
        """The address without the password."""
        known = dict(self.parameters)
        user, host = known.pop("user", ""), str(known.pop("host", ""))
        port, name = known.pop("port", ""), known.pop("dbname", "")
        for hidden in (*_SECRETS, *_TRANSPORT):
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
    """The target that an address names. Raises InvalidOption, which tells nothing of a password,
    when it cannot be read."""
    given, plain = _taken_apart(url)
    schema = given.pop("schema", "jobhost")
    if not _SCHEMA.fullmatch(schema):
        raise InvalidOption(
            f"schema must be up to 48 small letters, digits and underscores; got {schema!r}"
        )
    if _SCHEMAS_TAKEN.fullmatch(schema):
        raise InvalidOption(
            f"schema {schema!r} is not the store's alone: leave the option out, for a schema "
            "'jobhost', or name another"
        )
    pooler = given.pop("pooler", "none")
    if pooler not in _POOLERS:
        raise InvalidOption(f"pooler must be {' or '.join(_POOLERS)}; got {pooler!r}")
    try:
        parameters = conninfo_to_dict(f"{plain}?{urlencode(given, quote_via=quote)}")
    except psycopg.ProgrammingError:
        raise InvalidOption(_UNREADABLE) from None
    _refuse_wrong_port(str(parameters.get("port") or ""))
    return Target(
        parameters={**_TRANSPORT, **parameters},
        schema=schema,
        pooled=pooler == "transaction",
        clock=None if isinstance(clock, SystemClock) else clock,
    )


def _taken_apart(url: str) -> tuple[dict[str, str], str]:
    """The options of an address, and what comes before them. A second @, or one behind the host,
    belongs to a password that reaches further than libpq reads it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InvalidOption(_UNREADABLE) from None
    behind = parts.path + parts.query
    if not _PLAIN.fullmatch(url) or parts.netloc.count("@") > 1 or "@" in behind:
        raise InvalidOption(_UNREADABLE)
    # For libpq a plus is a plus and a space is %20, other than in the forms of the web.
    given = dict(parse_qsl(parts.query.replace("+", "%2B"), keep_blank_values=True))
    known = {*_OPTIONS, *_known_to_libpq()}
    if unknown := sorted(given.keys() - known):
        raise InvalidOption(
            f"the address has an option that is none: {did_you_mean(unknown[0], known)}"
        )
    return given, f"postgresql://{parts.netloc}{parts.path}"


def _refuse_wrong_port(ports: str) -> None:
    """Raise InvalidOption. What came is not shown: where the host is missing it is a password."""
    for port in ports.split(","):
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise InvalidOption(
                f"the port must be a number from 1 to 65535; an address looks like {_EXPECTED}"
            )


def _as_options(settings: Mapping[str, str]) -> str:
    return " ".join(f"-c {name}={value}" for name, value in settings.items())
