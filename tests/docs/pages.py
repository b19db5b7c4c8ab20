"""What the tests of the documentation know of a page: its blocks and its links."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
WRITTEN: Final = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
"""All pages, the generated ones included."""

_FENCE = re.compile(r"^```(.*)$")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: what stands after the fence, its text, the line on which that begins."""

    info: str
    text: str
    line: int

    @property
    def language(self) -> str:
        """The first word after the fence."""
        return self.info.split(" ")[0]

    @property
    def file_name(self) -> str | None:
        """For a block that shows a whole file: the name in its first line."""
        found = re.match(r"# ([\w.]+\.py)\n", self.text)
        return found[1] if found else None

    @property
    def commands(self) -> list[str]:
        """For a console: what is typed, without the prompt."""
        return [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]

    @property
    def output(self) -> str:
        """For a console: what is answered."""
        lines = self.text.splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("$ "))


def name_of(page: Path) -> str:
    """Its path in the repository, for the ids of tests."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page in order."""
    found: list[Block] = []
    info: str | None = None
    lines: list[str] = []
    start = 0
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(keepends=True), 1):
        fence = _FENCE.match(line)
        if fence is None:
            lines.append(line)
        elif info is None:
            info, lines, start = fence[1].strip(), [], number + 1
        else:
            found.append(Block(info=info, text="".join(lines), line=start))
            info = None
    if info is not None:
        raise ValueError(f"{name_of(page)}: the block of line {start - 1} is not closed")
    return found


def prose(page: Path) -> str:
    """The page without its blocks."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    """The targets of its links."""
    return _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """The names that its headings get."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in _HEADING.findall(prose(page))
    }
