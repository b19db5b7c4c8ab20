"""`jobhost roles`: least privilege on PostgreSQL, explained or as the SQL that makes it."""

from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlencode

import typer

from jobhost.cli.hosts import StoreUrl
from jobhost.cli.jobs_show import JsonOutput
from jobhost.cli.render import put, put_json, put_table
from jobhost.errors import InvalidOption, UsageError

if TYPE_CHECKING:
    from jobhost.store.postgres.roles import Role

_SCHEMA: Final = "jobhost"


def roles(
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the SQL that makes them; safe to repeat.")
    ] = False,
    prefix: Annotated[str, typer.Option(help="What their names begin with.")] = "jobhost",
    schema: Annotated[
        str | None,
        typer.Option(help="The store's schema. Default: that of the address, else jobhost."),
    ] = None,
    hide_payloads: Annotated[
        bool,
        typer.Option(
            "--hide-payloads",
            help="The viewer reads no arguments, results, errors and reasons.",
        ),
    ] = False,
    json_output: JsonOutput = False,
    url: StoreUrl = None,
) -> None:
    """Show the roles for a store on PostgreSQL, each with the least rights that its part needs.

    With --sql the script that makes them and grants these rights, for psql. Run it as a
    superuser, and again after each 'jobhost migrate' that applied something. Nothing
    is changed, and no server is asked, by this command itself.

    Examples:

      jobhost roles
      jobhost roles --sql --url postgresql://db.example/shop | psql -d shop
      jobhost roles --sql --schema billing --prefix billing
    """
    if sql and json_output:
        raise UsageError("--sql and --json print different things: give one of them")
    try:
        from jobhost.store.postgres.roles import roles as roles_of
        from jobhost.store.postgres.roles_script import script
    except ImportError:
        raise InvalidOption(
            "roles are those of PostgreSQL and need the extra: pip install 'jobhost[postgres]'"
        ) from None
    text = script(_schema(schema, url), prefix=prefix, payloads=not hide_payloads)
    if sql:
        put(text)
        return
    shown = roles_of(payloads=not hide_payloads)
    if json_output:
        put_json({"roles": [_plain(role, prefix) for role in shown]})
        return
    put_table(
        ("role", "may", "may not"),
        [(f"{prefix}_{role.name}", role.may, role.may_not) for role in shown],
    )


def _schema(given: str | None, url: str | None) -> str:
    """The schema that is meant. An address of another kind is refused if it was given here; one
    from the environment is then no word about roles."""
    from jobhost.clock import SystemClock
    from jobhost.settings import Settings
    from jobhost.store.postgres.target import read_target

    address = url or Settings().url
    if not address.startswith(("postgresql://", "postgres://")):
        if url is not None:
            raise UsageError(
                "only a store on PostgreSQL has roles, such as postgresql://db.example/shop: on "
                "SQLite the rights of the file decide"
            )
        address = f"postgresql:///?schema={_SCHEMA}"
    if given is not None:
        address = f"postgresql:///?{urlencode({'schema': given})}"
    return read_target(address, SystemClock()).schema


def _plain(role: "Role", prefix: str) -> dict[str, object]:
    return {
        "name": f"{prefix}_{role.name}",
        "part": role.name,
        "may": role.may,
        "may_not": role.may_not,
        "rights": dict(role.rights),
        "settings": list(role.settings),
    }
