"""What the rows of a checkup mean: pure functions from what the server says to findings."""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from jobhost.durations import format_seconds
from jobhost.plurals import counted
from jobhost.store.checkup import NAMED_MAX, Finding, name_some, note, ok, problem, warning
from jobhost.store.plan import Row
from jobhost.store.postgres.roles import needed_rights
from jobhost.store.postgres.target import SETTINGS

OLDEST: Final = 150_000
"""PostgreSQL 15, as the server counts."""

SKEW_SECONDS: Final = 5.0
"""Difference of the clocks from which times on the two machines cannot be compared any more."""

CONNECTIONS_SHARE: Final = 0.8
"""Of the server's connections: what is left is for a deployment that runs old and new at once."""

DEAD_ROWS: Final = 200_000
"""Four times what wakes autovacuum on the queue tables."""

NOTICES_SHARE: Final = 0.5
"""Of the queue of notices, which is all but empty while every session that listens reads it."""

SLOT_AGE: Final = 100_000
"""Transactions that a replica at work may be behind."""

_HOT: Final = frozenset({"ready", "scheduled", "running"})
_ROLES_STEP: Final = "have the rights granted as 'jobhost roles --sql' shows"


class Server(NamedTuple):
    """What a server says of itself."""

    version_number: int
    version: str
    standby: bool
    fsync: bool
    full_page_writes: bool
    synchronous_commit: str
    now: int
    autovacuum: bool
    encoding: str
    plan_cache_mode: str
    statement_timeout: str


class Lack(NamedTuple):
    """A right that a role needs and the login has not; `column` is None for the whole object."""

    role: str
    right: str
    on: str
    column: str | None


class Login(NamedTuple):
    """What a login may do. `open_to_all`: everybody has USAGE on the schema; `may_create`: schemas
    in this database."""

    name: str
    superuser: bool
    schema_is_there: bool
    owner: bool
    usage: bool
    open_to_all: bool
    may_create: bool
    database: str
    lacks: list[Lack]


class Holder(NamedTuple):
    """Who keeps dead rows alive: a transaction, a prepared one, or a replication slot; or a slot
    that keeps only the log. `age` in seconds, for a slot in transactions, for a log in bytes;
    None where the login may not see it."""

    kind: str
    name: str
    user: str
    application: str
    state: str
    age: float | None


def judge_server(server: Server) -> Iterator[Finding]:
    """Its version, and whether it keeps what it has acknowledged."""
    if server.version_number < OLDEST:
        yield problem(
            "server", f"PostgreSQL {server.version} is too old", "upgrade it to 15 or newer"
        )
    elif server.standby:
        yield problem(
            "server", "this is a standby, which cannot be written", "connect to the primary"
        )
    else:
        yield ok("server", f"PostgreSQL {server.version}")
    broken = [
        f"{name} is off" for name in ("fsync", "full_page_writes") if not getattr(server, name)
    ]
    if broken:
        yield problem(
            "durability",
            f"{' and '.join(broken)}: a crash of its machine may destroy the whole database",
            "turn it on with ALTER SYSTEM, unless all of its data may be lost",
        )
    elif server.synchronous_commit == "off":
        yield warning(
            "durability",
            "synchronous_commit is off: a crash of the server loses the last accepted jobs",
            "set it to on for the database or the roles of jobhost",
        )
    else:
        yield ok("durability", f"synchronous_commit is {server.synchronous_commit}")


def judge_encoding(encoding: str) -> list[Finding]:
    """Whether every text can be stored."""
    if encoding == "UTF8":
        return []
    if encoding == "SQL_ASCII":
        sentence = "the database's encoding is SQL_ASCII: it does not know which text is which"
    else:
        sentence = f"the database's encoding is {encoding}: a job with other characters is refused"
    return [
        warning(
            "encoding",
            sentence,
            "have the store in a database made with ENCODING 'UTF8' TEMPLATE template0",
        )
    ]


def judge_settings(server: Server, given: str) -> list[Finding]:
    """Whether what this connection asked for has arrived.

    Args:
        server: What it says.
        given: Options of the address, which may say otherwise.
    """
    lost = [
        name
        for name in ("plan_cache_mode", "statement_timeout")
        if getattr(server, name) != SETTINGS[name] and name not in given
    ]
    if not lost:
        return []
    return [
        warning(
            "settings",
            f"the settings of this connection have not arrived ({', '.join(lost)}): a pooler drops "
            "them, it seems, so that statements may become slow and wait for ever",
            "add pooler=transaction to the address, whatever the pooler's mode",
        )
    ]


def judge_clocks(skew_seconds: float, unsure_seconds: float) -> Finding:
    """The server's clock against this machine's; leases and due times are the server's."""
    ahead = "ahead of" if skew_seconds > 0 else "behind"
    size = abs(skew_seconds)
    if size > SKEW_SECONDS + unsure_seconds:
        return warning(
            "clock",
            f"the server's clock is {format_seconds(size)} {ahead} this machine's: a run_at made "
            "here comes that much too early or late",
            "have both set by NTP; leases do not suffer, they follow the server's alone",
        )
    return ok("clock", f"the clocks agree within {format_seconds(max(size, unsure_seconds))}")


def judge_jump(ahead_us: int) -> list[Finding]:
    """The server's clock against what the store has seen.

    Args:
        ahead_us: How far the latest time in the store is ahead of it.
    """
    ahead = ahead_us / 1_000_000
    if ahead <= SKEW_SECONDS:
        return []
    return [
        warning(
            "clock",
            f"the store has seen a time {format_seconds(ahead)} later than its server's clock, "
            "which was set back: leases and due times wait for it",
            "set the clock by NTP",
        )
    ]


def judge_pooler(*, pooled: bool) -> list[Finding]:
    """What a pooler costs."""
    if not pooled:
        return []
    return [
        note(
            "pooler",
            "behind a pooler in transaction mode nobody can wake workers: they poll once a second",
            "give workers an address without it where a second is too long",
        )
    ]


def judge_login(login: Login) -> list[Finding]:
    """What the login may do, and whether that is more than it should."""
    if not login.schema_is_there:
        return [] if login.may_create else [_no_maker(login)]
    found = []
    if login.open_to_all:
        found.append(note("schema", "everybody who can connect may use the schema", _ROLES_STEP))
    who = f"login {login.name!r}"
    parts = list(needed_rights())
    lacking = {part: [lack for lack in login.lacks if lack.role == part] for part in parts}
    able = [part for part in parts if not lacking[part]]
    if "viewer" in able:
        able.remove("viewer without payloads")
    if login.superuser or login.owner:
        what = "is a superuser" if login.superuser else "owns the schema, and may drop it"
        step = "give programs a role of their own: see 'jobhost roles'"
        found.append(note("rights", f"{who} {what}", step))
    elif not login.usage:
        found.append(problem("rights", f"{who} may not use the schema", _ROLES_STEP))
    elif able:
        found.append(ok("rights", f"{who} has the rights of: {', '.join(able)}"))
    else:
        nearest = min(parts, key=lambda part: len(lacking[part]))
        missing = name_some([_words(lack) for lack in lacking[nearest]])
        sentence = f"{who} has no role's rights; as {nearest} it lacks {missing}"
        found.append(problem("rights", sentence, _ROLES_STEP))
    return found


def _no_maker(login: Login) -> Finding:
    database, name = (_quoted(word) for word in (login.database, login.name))
    return note(
        "rights",
        f"login {login.name!r} may not make the schema",
        "run 'jobhost migrate' as one that may, or first: "
        f"GRANT CREATE ON DATABASE {database} TO {name}",
    )


def _quoted(name: str) -> str:
    """As SQL writes it."""
    if re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        return name
    return '"' + name.replace('"', '""') + '"'


def _words(lack: Lack) -> str:
    column = "" if lack.column is None else f" ({lack.column})"
    return f"{lack.right}{column} on {lack.on}"


def judge_tables(rows: Iterable[Row], *, autovacuum: bool) -> list[Finding]:
    """Whether dead rows are removed, and how many there are.

    Args:
        rows: Table, whether its autovacuum is off, rows, dead rows, time of the last autovacuum.
        autovacuum: Whether the server does it at all.
    """
    if not autovacuum:
        return [
            problem(
                "autovacuum",
                "autovacuum or track_counts is off: dead rows stay, and claiming becomes slow",
                "turn both on with ALTER SYSTEM, then reload",
            )
        ]
    found = []
    for table, off, live, dead, last in rows:
        if off:
            found.append(
                warning(
                    "autovacuum",
                    f"autovacuum is off for table {table!r}: its dead rows stay",
                    f"ALTER TABLE ….{table} RESET (autovacuum_enabled)",
                )
            )
        if dead > (DEAD_ROWS if table in _HOT else max(DEAD_ROWS, live)):
            when = "never" if last is None else f"last at {last:%Y-%m-%d %H:%M}Z"
            found.append(
                warning(
                    "autovacuum",
                    f"table {table!r} has {counted(dead, 'dead row')}; it was swept {when}",
                    "look for old transactions here; if there are none, VACUUM it, and give "
                    "autovacuum more workers",
                )
            )
    return found or [ok("autovacuum", "dead rows are removed")]


def judge_holders(holders: Iterable[Holder]) -> list[Finding]:
    """Each old transaction, prepared transaction and slot that is in the way; oldest first."""
    found, logs, hidden = [], [], 0
    for holder in holders:
        if holder.age is None:
            hidden += 1
        elif holder.kind == "transaction":
            found.append(_old_transaction(holder, holder.age))
        elif holder.kind == "prepared":
            found.append(_prepared(holder, holder.age))
        elif holder.kind == "log":
            logs.append(_kept_log(holder, holder.age))
        elif holder.state == "inactive" or holder.age > SLOT_AGE:
            found.append(_slot(holder, holder.age))
    del found[NAMED_MAX:], logs[NAMED_MAX:]
    if hidden:
        found.append(
            note(
                "old snapshots",
                f"the age of {counted(hidden, 'transaction')} of other logins cannot be seen",
                "GRANT pg_read_all_stats to this login",
            )
        )
    return (found or [ok("old snapshots", "no old transaction keeps dead rows")]) + logs


def _old_transaction(holder: Holder, age: float) -> Finding:
    application = f", application {holder.application!r}" if holder.application else ""
    return warning(
        "old snapshots",
        f"process {holder.name} of {holder.user!r}{application}, has a transaction open for "
        f"{format_seconds(age)} ({holder.state}): dead rows stay, and claiming becomes slow",
        f"end it there, or SELECT pg_terminate_backend({holder.name})",
    )


def _prepared(holder: Holder, age: float) -> Finding:
    name = holder.name.replace("'", "''")
    return warning(
        "old snapshots",
        f"transaction {holder.name!r} of {holder.user!r} was prepared {format_seconds(age)} ago "
        "and has not ended: dead rows stay",
        f"COMMIT PREPARED or ROLLBACK PREPARED '{name}'",
    )


def _slot(holder: Holder, age: float) -> Finding:
    return warning(
        "old snapshots",
        f"replication slot {holder.name!r}, {holder.state}, is "
        f"{counted(int(age), 'transaction')} behind: dead rows stay",
        _mend_replica(holder),
    )


def _kept_log(holder: Holder, size: float) -> Finding:
    return warning(
        "replication slots",
        f"nobody reads the {holder.application} replication slot {holder.name!r}: the server keeps "
        f"{int(size) // 1_000_000:,} MB of its log for it, and more until the disk is full",
        _mend_replica(holder),
    )


def _mend_replica(holder: Holder) -> str:
    return f"mend its replica, or SELECT pg_drop_replication_slot('{holder.name}')"


def judge_notices(share: float, oldest: int | None) -> Finding:
    """How full the queue of notices is, from 0 to 1.

    Args:
        share: What of it is taken.
        oldest: The process with the oldest transaction, if the login may see that.
    """
    sentence = f"the queue of notices is {100 * share:.0f} % full"
    if share <= NOTICES_SHARE:
        return ok("notices", sentence)
    step = "end the session that has used LISTEN and left a transaction open"
    if oldest is None:
        step += ": the oldest in pg_stat_activity, which pg_read_all_stats lets this login see"
    else:
        step += f", perhaps by SELECT pg_terminate_backend({oldest}): it has the oldest one"
    return warning("notices", f"{sentence}; once it is full no job is accepted", step)


def judge_connections(used: int, most: int) -> Finding:
    """How much room there is for more processes."""
    sentence = f"{used} of {most} connections are in use"
    if used < CONNECTIONS_SHARE * most:
        return ok("connections", sentence)
    return warning(
        "connections",
        f"{sentence}; a worker holds two, a process that enqueues one",
        "raise max_connections, or use a pooler, with pooler=transaction in the address",
    )
