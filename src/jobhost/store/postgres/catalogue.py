"""The dialect's statements, read once from their files."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from psycopg import sql

_FOLDER: Final = Path(__file__).parent / "statements"
_NAME = re.compile(r"(?<![:\w]):([a-z_]+)")
_SCHEMA = re.compile(r"\bjobhost\.")
_CHANNEL = re.compile(r"'jobhost:(\w+)'")
_CLOCK: Final = "(SELECT jobhost.clock())"


@dataclass(frozen=True, slots=True, eq=False)
class Sql:
    """One statement.

    Args:
        text: As the driver's cursors take it.
        numbered: As the server takes it, with `$1` for the first of the names.
        names: Of its values, each once.
        wants_now: Whether it asks for a bound `:now`.
    """

    text: bytes
    numbered: bytes
    names: tuple[str, ...]
    wants_now: bool


@cache
def statements(schema: str, *, server_time: bool) -> dict[str, Sql]:
    """All statements by name, for one schema.

    Args:
        schema: Its name.
        server_time: `:now` is the server's clock. Otherwise the connection binds it, for a
            store whose clock is moved by hand.
    """
    return {
        file.stem: _load(file.read_text(encoding="utf-8"), schema, server_time=server_time)
        for file in sorted(_FOLDER.glob("*.sql"))
    }


def in_schema(text: str, schema: str) -> str:
    """A text that says `jobhost.` for the schema, made out to this one."""
    quoted = sql.Identifier(schema).as_string()
    text = _CHANNEL.sub(lambda found: sql.Literal(f"{schema}:{found[1]}").as_string(), text)
    return _SCHEMA.sub(lambda _: f"{quoted}.", text)


def _load(text: str, schema: str, *, server_time: bool) -> Sql:
    text = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    if server_time:
        text = re.sub(r"(?<![:\w]):now\b", _CLOCK, text)
    text = in_schema(text, schema)
    names = tuple(dict.fromkeys(_NAME.findall(text)))
    return Sql(
        text=_NAME.sub(r"%(\1)s", text.replace("%", "%%")).encode(),
        numbered=_NAME.sub(lambda found: f"${names.index(found[1]) + 1}", text).encode(),
        names=names,
        wants_now="now" in names,
    )
