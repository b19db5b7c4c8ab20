"""The dialect's statements, read once from their files."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent / "statements"
_GROUP = re.compile(r"VALUES\s*(\((?:\?,?\s*)+\))")
_NAME = re.compile(r":([a-z_]+)")


@dataclass(frozen=True, slots=True, eq=False)
class Sql:
    """One statement: its text, and whether it asks for the present time as `:now`."""

    text: str
    wants_now: bool

    @cache  # noqa: B019 - a handful of frozen values that live as long as the process
    def for_rows(self, count: int) -> "ManyRows":
        """The statement for `count` rows at once: its group of VALUES is repeated."""
        group = _GROUP.search(self.text)
        if group is None:
            raise TypeError("only a statement with VALUES (?, ...) takes many rows")
        start, end = group.span(1)
        text = self.text[:start] + ", ".join([group[1]] * count) + self.text[end:]
        names = tuple(dict.fromkeys(_NAME.findall(text)))
        first = count * group[1].count("?") + 1
        numbers = {name: f"?{at}" for at, name in enumerate(names, first)}
        return ManyRows(_NAME.sub(lambda found: numbers[found[1]], text), names)


@dataclass(frozen=True, slots=True)
class ManyRows:
    """A statement for a fixed number of rows. Bound by position: all values of all rows, then
    the parameters in the order of `names`."""

    text: str
    names: tuple[str, ...]


@cache
def statements() -> dict[str, Sql]:
    """All statements by name."""
    return {
        file.stem: Sql(text := file.read_text(encoding="utf-8"), ":now" in text)
        for file in sorted(_FOLDER.glob("*.sql"))
    }
