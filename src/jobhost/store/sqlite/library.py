"""The dialect's statements, read once from their files."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent / "statements"
_GROUP = re.compile(r"VALUES\s*(\((?:\?,?\s*)+\))")


@dataclass(frozen=True, slots=True)
class Sql:
    """One statement: its text, and whether it asks for the present time as `:now`."""

    text: str
    wants_now: bool

    @cache  # noqa: B019 - a handful of frozen values that live as long as the process
    def for_rows(self, count: int) -> str:
        """The text of an INSERT ... VALUES for `count` rows at once."""
        group = _GROUP.search(self.text)
        if group is None:
            raise TypeError("only a statement with VALUES (?, ...) takes many rows")
        start, end = group.span(1)
        return self.text[:start] + ", ".join([group[1]] * count) + self.text[end:]


@cache
def statements() -> dict[str, Sql]:
    """All statements by name."""
    return {
        file.stem: Sql(text := file.read_text(encoding="utf-8"), ":now" in text)
        for file in sorted(_FOLDER.glob("*.sql"))
    }
