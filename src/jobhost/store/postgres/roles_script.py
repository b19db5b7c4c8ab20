"""The SQL that makes the roles and grants their rights: one transaction, safe to repeat."""

import re
from collections.abc import Iterator
from typing import Final

from psycopg import sql

from jobhost.errors import InvalidOption
from jobhost.store.postgres.roles import OBJECTS, OWNER, TABLES, VIEWS, Role, kind_of, roles
from jobhost.store.postgres.target import SETTINGS

PREFIX: Final = "jobhost"

_PREFIX: Final = re.compile(r"[a-z_][a-z0-9_]{0,47}")


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
                f"ALTER {kinds.get(name) or kind_of(name)} {self._schema}.{name} "
                f"OWNER TO {self._owner};"
                for name in OBJECTS
            ),
        )

    def grant(self) -> str:
        """Each role's rights, and no others."""
        lines = ["-- Nobody has a right that is not named below."]
        for kind in ("TABLE", "SEQUENCE", "FUNCTION"):
            names = [f"{self._schema}.{name}" for name in OBJECTS if kind_of(name) == kind]
            lines += [
                f"REVOKE ALL ON {kind}",
                f"    {', '.join(names)}",
                f"    FROM PUBLIC, {self._others};",
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
        """For a schema of this release, since of another one some tables may be missing."""
        names = [*TABLES, *VIEWS]
        return _do(
            f"IF {len(names)} = (",
            "    SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace",
            f"    WHERE n.nspname = '{self._name}' AND c.relname IN (",
            f"        {', '.join(map(repr, names))}",
            "    )",
            ") THEN",
            *(f"    {line}" if line else "" for line in lines),
            "ELSE",
            "    RAISE NOTICE 'tables are missing: run jobhost migrate, then this again';",
            "END IF;",
        )

    def _login(self, role: str) -> str:
        return f"{self._prefix}_{role}"

    def _on(self, name: str) -> str:
        return f"{kind_of(name)} {self._schema}.{name}"


def _do(*lines: str) -> str:
    body = [f"    {line}" if line else "" for line in lines]
    return "\n".join(["DO $$ BEGIN", *body, "END $$;\n"])
