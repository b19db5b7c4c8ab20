"""Five roles with the least rights that their parts need, and the SQL that makes them.

`ROLES` is the table; everything else is made from it: the script of `jobhost roles --sql`, its
explanation, and what `jobhost doctor` compares a login with. Two things stand behind its rows:

- The views belong to the owner and read with the owner's rights, not with the reader's
  (`security_invoker` is off on purpose): they are the border. Whoever may read a view needs no
  right to the payloads in the tables below it, and a view's columns can be granted one by one.
- A row that is locked needs UPDATE on one column. Jobs grow no worse by a changed count of
  crashes, so it is that one.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from psycopg import sql

from jobhost.errors import InvalidOption
from jobhost.store.postgres.target import SETTINGS

PREFIX: Final = "jobhost"

_PREFIX: Final = re.compile(r"[a-z_][a-z0-9_]{0,47}")
_RIGHT: Final = re.compile(r"([A-Z]+)(?: \(([^)]*)\))?")

_TIME_OUTS: Final = tuple(name for name in SETTINGS if name.endswith("_timeout"))

_NEW_JOB: Final = "INSERT (id, task, queue, priority, payload, envelope, parent, created_at)"
_LOCK: Final = "UPDATE (crashes)"
_MOVE: Final = f"SELECT, INSERT, DELETE, {_LOCK}"
_PUBLIC_JOB: Final = "number, id, task, queue, priority, parent, created_at"
_COUNTS: Final = "epoch, deliveries, failures, crashes"
_ENDED: Final = f"job, state, outcome, ended_at, node, claimed_at, duration_us, {_COUNTS}"

_LOOK: Final = {
    "migration": "SELECT",
    "jobs": "SELECT",
    "attempts": "SELECT",
    "job": f"SELECT ({_PUBLIC_JOB})",
    "ready": "SELECT",
    "scheduled": "SELECT",
    "blocked": "SELECT",
    "running": "SELECT",
    "done": f"SELECT ({_ENDED}, reason)",
    "cancellation": "SELECT",
    "node": "SELECT",
}

_LOOK_WITHOUT_PAYLOADS: Final = {
    **_LOOK,
    "jobs": (
        f"SELECT ({_PUBLIC_JOB}, state, due_at, claimed_at, ended_at, {_COUNTS}, worker, "
        "cancel_requested)"
    ),
    "attempts": "SELECT (job, epoch, outcome, node, claimed_at, ended_at, duration_us)",
    "blocked": f"SELECT (job, queue, priority, task, {_COUNTS})",
    "done": f"SELECT ({_ENDED})",
    "cancellation": "SELECT (job, requested_at)",
}
"""Reasons quote what people and errors said, so they are left out as well."""

TABLES: Final = (
    "migration", "job", "ready", "scheduled", "blocked", "running", "cancellation", "done",
    "attempt", "node",
)  # fmt: skip
VIEWS: Final = ("jobs", "attempts")
SEQUENCE: Final = "number"
FUNCTIONS: Final = ("clock()", "place_in_ready(bigint)")
_OBJECTS: Final = (*TABLES, *VIEWS, SEQUENCE, *FUNCTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One part in the work with a store.

    Args:
        name: Its name, without the prefix.
        may, may_not: The part in words.
        rights: What is granted on each table, view, sequence and function.
        settings: Names of those in `SETTINGS` that the role itself carries. The planner's are
            left out where people write queries of their own.
    """

    name: str
    may: str
    may_not: str
    rights: Mapping[str, str]
    settings: tuple[str, ...] = tuple(SETTINGS)


OWNER: Final = Role(
    name="owner",
    may="own the schema and all in it; migrate",
    may_not="anything outside the schema; make another one",
    rights={},
    settings=_TIME_OUTS,
)

ROLES: Final = (
    OWNER,
    Role(
        name="producer",
        may="enqueue",
        may_not="read a job, its state or result, not even of its own; cancel",
        rights={
            "migration": "SELECT",
            "job": f"{_NEW_JOB}, SELECT (id, number)",
            "ready": "INSERT",
            "scheduled": "INSERT",
            "node": "SELECT (ended_at, wakeable)",
            "number": "USAGE",
            "clock()": "EXECUTE",
        },
    ),
    Role(
        name="worker",
        may="run jobs, and enqueue from them; read status and results",
        may_not="change or delete what was accepted; cancel, redrive; change the schema",
        rights={
            "migration": "SELECT",
            "jobs": "SELECT",
            "attempts": "SELECT",
            "job": f"{_NEW_JOB}, SELECT",
            "ready": _MOVE,
            "scheduled": _MOVE,
            "blocked": _MOVE,
            "running": _MOVE,
            "done": "SELECT (job), INSERT",
            "attempt": "SELECT (job, epoch, outcome), INSERT",
            "cancellation": "SELECT, DELETE",
            "node": "SELECT, INSERT, UPDATE (heartbeat_at, lease_until, ended_at, end_reason)",
            "number": "USAGE",
            "clock()": "EXECUTE",
            "place_in_ready(bigint)": "EXECUTE",
        },
    ),
    Role(
        name="viewer",
        may="read jobs, attempts and workers",
        may_not="change anything",
        rights={**_LOOK, "clock()": "EXECUTE"},
        settings=_TIME_OUTS,
    ),
    Role(
        name="operator",
        may="read as a viewer; cancel, redrive",
        may_not="enqueue, run jobs, change what was accepted",
        rights={
            **_LOOK,
            "ready": _MOVE,
            "scheduled": f"SELECT, DELETE, {_LOCK}",
            "blocked": f"SELECT, DELETE, {_LOCK}",
            "running": f"SELECT, {_LOCK}",
            "done": f"SELECT ({_ENDED}, reason, error), INSERT, DELETE, {_LOCK}",
            "attempt": "INSERT",
            "cancellation": "SELECT, INSERT",
            "number": "USAGE",
            "clock()": "EXECUTE",
            "place_in_ready(bigint)": "EXECUTE",
        },
    ),
)


class Right(NamedTuple):
    """One right that a role needs; `column` is None where it holds for the whole object."""

    role: str
    kind: str
    on: str
    right: str
    column: str | None


def roles(*, payloads: bool = True) -> tuple[Role, ...]:
    """The roles; without `payloads` the viewer reads no arguments, results, errors and reasons."""
    if payloads:
        return ROLES
    hidden = {**_LOOK_WITHOUT_PAYLOADS, "clock()": "EXECUTE"}
    return tuple(
        replace(
            role,
            may="read jobs, attempts and workers by SQL, without payloads, results and errors",
            may_not="use 'jobhost jobs', which shows these; change anything",
            rights=hidden,
        )
        if role.name == "viewer"
        else role
        for role in ROLES
    )


def needed_rights() -> Iterator[Right]:
    """What the roles are granted, right by right."""
    for role in ROLES:
        for on, given in role.rights.items():
            for right, columns in _RIGHT.findall(given):
                for column in columns.split(", ") if columns else [None]:
                    yield Right(role.name, _kind(on), on, right, column)


def script(schema: str, *, prefix: str = PREFIX, payloads: bool = True) -> str:
    """The SQL that makes the roles, or brings them to this release. Safe to repeat.

    Raises InvalidOption for a prefix that makes no name, and for the schema `public`.
    """
    if not _PREFIX.fullmatch(prefix):
        raise InvalidOption(
            f"--prefix must be up to 48 small letters, digits and underscores; got {prefix!r}"
        )
    if schema == "public":
        raise InvalidOption(
            "roles need a schema that holds nothing but the store, and everybody uses 'public': "
            "give the store another one, such as ?schema=jobhost in its address"
        )
    script = _Script(schema, prefix, roles(payloads=payloads))
    parts = (script.head(), *script.make(), script.take_over(), script.grant(), *script.set_up())
    return "\n".join([*parts, script.foot()])


class _Script:
    """The parts of the script, for one schema and prefix; both are plain names."""

    def __init__(self, schema: str, prefix: str, roles: tuple[Role, ...]) -> None:
        self._name = schema
        self._schema = sql.Identifier(schema).as_string()
        self._prefix = prefix
        self._roles = roles
        self._owner = self._login("owner")
        self._others = ", ".join(self._login(role.name) for role in roles if role is not OWNER)

    def head(self) -> str:
        """What it is, and how to use it."""
        return f"""\
-- The roles of the store in schema {self._name}, made by 'jobhost roles --sql'; safe to repeat.
--
-- Run it as a superuser, or as the owner of the database with CREATEROLE. Run it again after each
-- 'jobhost migrate' that applied something: new tables need their grants.
--
-- The roles may log in and have no password yet: give one with \\password in psql, or give a
-- login of your own their rights, as in GRANT {self._login("producer")} TO shop.

BEGIN;
"""

    def foot(self) -> str:
        """The end, and what is left to decide."""
        return f"""\
COMMIT;

-- To decide, since it concerns more than these roles:
--   REVOKE ALL ON DATABASE ... FROM PUBLIC;       lets in only who was granted CONNECT
--   GRANT pg_read_all_stats TO {self._login("operator")};
--                                                 'jobhost doctor' sees the age of transactions
--   GRANT {self._login("viewer")} TO {self._login("producer")};
--                                                 for producers that wait for results
"""

    def make(self) -> Iterator[str]:
        """Roles and schema."""
        for name in map(self._login, (role.name for role in self._roles)):
            yield _do(
                f"IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN",
                f"    CREATE ROLE {name} LOGIN;",
                "END IF;",
            )
        yield "-- Who is no superuser can give things only to a role that he is a member of."
        yield _do(
            "IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN",
            f"    EXECUTE format('GRANT {self._owner} TO %I', current_user);",
            "END IF;",
        )
        yield _do(
            "EXECUTE format(",
            f"    'GRANT CONNECT ON DATABASE %I TO {self._owner}, {self._others}',",
            "    current_database()",
            ");",
        )
        yield "-- The schema is its owner's, and closed to everybody who is not named here."
        yield _do(
            f"IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = '{self._name}') THEN",
            f"    CREATE SCHEMA {self._schema};",
            "END IF;",
        )
        yield f"ALTER SCHEMA {self._schema} OWNER TO {self._owner};"
        yield f"REVOKE ALL ON SCHEMA {self._schema} FROM PUBLIC, {self._others};"
        yield f"GRANT USAGE ON SCHEMA {self._schema} TO {self._others};\n"

    def take_over(self) -> str:
        """What another login has made becomes the owner's, who could not migrate it otherwise."""
        kinds = dict.fromkeys(VIEWS, "VIEW")
        return self._if_migrated(
            "-- All belongs to the owner, also what another login has made.",
            *(
                f"ALTER {kinds.get(name) or _kind(name)} {self._schema}.{name} "
                f"OWNER TO {self._owner};"
                for name in _OBJECTS
            ),
        )

    def grant(self) -> str:
        """Each role's rights, and no others."""
        lines = ["-- Nobody has a right that is not named below."]
        lines += [
            f"REVOKE ALL ON {self._on(name)} FROM PUBLIC, {self._others};" for name in _OBJECTS
        ]
        for role in self._roles:
            if role is not OWNER:
                lines += ["", f"-- {role.name}: {role.may}."]
            lines += [
                f"GRANT {rights} ON {self._on(name)} TO {self._login(role.name)};"
                for name, rights in role.rights.items()
            ]
        return self._if_migrated(*lines)

    def set_up(self) -> Iterator[str]:
        """The settings that a role carries."""
        yield "-- jobhost sets these itself on each connection that it opens; here they hold where"
        yield "-- a pooler or psql opens it. Nothing waits for ever."
        for role in self._roles:
            for name in role.settings:
                yield f"ALTER ROLE {self._login(role.name)} SET {name} = '{SETTINGS[name]}';"
        yield ""

    def _if_migrated(self, *lines: str) -> str:
        return _do(
            "IF EXISTS (",
            "    SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace",
            f"    WHERE n.nspname = '{self._name}' AND c.relname = 'migration'",
            ") THEN",
            *(f"    {line}" if line else "" for line in lines),
            "ELSE",
            f"    RAISE NOTICE 'no tables: run jobhost migrate as {self._owner}, then this again';",
            "END IF;",
        )

    def _login(self, role: str) -> str:
        return f"{self._prefix}_{role}"

    def _on(self, name: str) -> str:
        return f"{_kind(name)} {self._schema}.{name}"


def _kind(name: str) -> str:
    if name == SEQUENCE:
        return "SEQUENCE"
    return "FUNCTION" if name in FUNCTIONS else "TABLE"


def _do(*lines: str) -> str:
    body = [f"    {line}" if line else "" for line in lines]
    return "\n".join(["DO $$ BEGIN", *body, "END $$;\n"])
