"""Write the pages that are made from the code: states, guidance, cli, errors and defaults.

    python docs/generate.py            write them
    python docs/generate.py --check    change nothing; exit 1 and name the stale ones

The output depends on nothing but the repository, so that it can be compared byte by byte.
"""

import argparse
import ast
import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, EnumType
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import defaults
from typer.main import get_command

from jobhost import errors
from jobhost.cli.exits import MEANINGS
from jobhost.cli.main import PROGRAM, app
from jobhost.jobs.states import FINAL, MOVES, State, diagram

DOCS: Final = Path(__file__).parent
ROOT: Final = DOCS.parent
NOTICE: Final = "<!-- Written by docs/generate.py; change the code, then run `make docs`. -->"

KINDS: Final = {
    "T": "behaviour that a test shows",
    "D": "advice in the documentation",
    "TD": "both",
    "X": "behaviour taken over from a related pattern",
    "X/D": "the same, with advice",
}


# --- states.md ---------------------------------------------------------------------------------


def states_page() -> str:
    """The states, the moves between them as a picture, and the same as a table."""
    meanings = _member_docstrings(State)
    states = [
        f"| `{state}` | {'yes' if state in FINAL else ''} | {meanings[state.name]} |"
        for state in State
    ]
    moves = [
        f"| {rule.move} | {_names(rule.source)} | {_names(rule.target)} | {rule.cause} |"
        for rule in MOVES.values()
    ]
    return _page(
        "States and moves",
        "A job is in exactly one state. It changes only along the moves below; they are one",
        "table in `src/jobhost/jobs/states.py`, and this page is written from it.",
        "",
        "## States",
        "",
        "| state | final | meaning |",
        "|---|---|---|",
        *states,
        "",
        *_unreachable(),
        "## Picture",
        "",
        "```mermaid",
        diagram(),
        "```",
        "",
        "## Moves",
        "",
        "| move | from | to | when |",
        "|---|---|---|---|",
        *moves,
    )


def _unreachable() -> list[str]:
    """A sentence on states that no move leads to, if there are any."""
    reached = {state for rule in MOVES.values() for state in rule.target}
    left = ", ".join(f"`{state}`" for state in State if state not in reached)
    return [f"No move of this release leads to {left}.", ""] if left else []


def _names(states: frozenset[Any]) -> str:
    order = list(State)
    if None in states:
        return "(new)"
    return ", ".join(f"`{state}`" for state in sorted(states, key=order.index))


def _member_docstrings(kind: type[Enum]) -> dict[str, str]:
    """The text that stands below each member; Python itself does not keep it."""
    found: dict[str, str] = {}
    body = _class_of(kind).body
    for pair in pairwise(body):
        match pair:
            case (
                ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(words))),
            ):
                found[name] = " ".join(words.split())
    return found


def _class_of(kind: type[Enum]) -> ast.ClassDef:
    tree = ast.parse(inspect.getsource(kind))
    return next(node for node in tree.body if isinstance(node, ast.ClassDef))


# --- errors.md ---------------------------------------------------------------------------------


def errors_page() -> str:
    """The tree of errors, each with the first line of its docstring."""
    return _page(
        "Errors",
        "All of them are importable from `jobhost`. Catch `JobhostError` for everything, or the",
        "nearest class that you can do something about. An error of the database driver comes as a",
        "`StoreError` with the original as its cause.",
        "",
        *_branch(errors.JobhostError, 0),
        "",
        "Five more exceptions are no errors: a task raises `Snooze`, `Defer`, `DeadLetter`,",
        "`Discard` or `Retry` to say how its own attempt ends:",
        "see [tasks](tasks.md#retries-and-verdicts).",
    )


def _branch(kind: type[BaseException], depth: int) -> Iterator[str]:
    also = [base.__name__ for base in kind.__bases__[1:]]
    note = f" Also a `{also[0]}`." if also else ""
    yield f"{'  ' * depth}- `{kind.__name__}`: {_first_line(kind)}{note}"
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _branch(child, depth + 1)


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").split("\n", 1)[0]


# --- guidance.md -------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Requirement:
    """One requirement, and the tests that show it as `file::test`."""

    number: str
    kind: str
    text: str
    tests: list[str] = field(default_factory=list)


def guidance_page() -> str:
    """Which requirement is shown by which tests, and what is left."""
    areas = requirements()
    known = {item.number: item for items in areas.values() for item in items}
    for number, test in marked_tests():
        if number not in known:
            raise SystemExit(f"{test} is marked with {number}, which docs/requirements.toml lacks")
        known[number].tests.append(test)
    shown = [item for item in known.values() if item.tests]
    left = {area: [item for item in items if not item.tests] for area, items in areas.items()}
    return _page(
        "Requirements and the tests that show them",
        f"Of {len(known)} requirements {len(shown)} are shown, in whole or in part, by a test of",
        'this repository. A test names what it shows with `@pytest.mark.requirement("R-…")`;',
        "nothing else counts here.",
        "",
        "Kinds: " + "; ".join(f"{kind}: {words}" for kind, words in KINDS.items()) + ".",
        "",
        "## Areas",
        "",
        "| area | requirements | shown |",
        "|---|--:|--:|",
        *(
            f"| {area} | {len(items)} | {sum(bool(item.tests) for item in items)} |"
            for area, items in areas.items()
        ),
        "",
        "## Shown",
        "",
        *(line for item in shown for line in _shown(item)),
        "## Not yet shown",
        "",
        *(line for area, items in left.items() if items for line in _not_shown(area, items)),
    )


def requirements() -> dict[str, list[Requirement]]:
    """The requirements by area, in the order of the file; areas are its headings."""
    text = (DOCS / "requirements.toml").read_text(encoding="utf-8")
    entries = tomllib.loads(text)
    areas: dict[str, list[Requirement]] = {}
    area = "Other"
    for line in text.splitlines():
        if heading := re.fullmatch(r"# --- (.+)", line):
            area = heading[1]
        elif table := re.fullmatch(r"\[([^\[\]]+)\]", line):
            entry = entries[table[1]]
            item = Requirement(number=table[1], kind=entry["kind"], text=entry["text"])
            areas.setdefault(area, []).append(item)
    return areas


def marked_tests() -> list[tuple[str, str]]:
    """Number and test for each `@pytest.mark.requirement(...)`, found without running anything."""
    found: set[tuple[str, str]] = set()
    for file in sorted((ROOT / "tests").rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
        for name, marks in _definitions(tree, "", []):
            place = f"{file.relative_to(ROOT).as_posix()}::{name}"
            if name.rpartition("::")[2].startswith("test_"):
                found |= {(number, place) for mark in marks for number in _numbers(mark)}
    return sorted(found)


def _definitions(
    node: ast.Module | ast.ClassDef, prefix: str, above: list[ast.expr]
) -> Iterator[tuple[str, list[ast.expr]]]:
    """The functions in a module or class with all marks that apply to them."""
    for child in node.body:
        match child:
            case ast.Assign(targets=[ast.Name(id="pytestmark")], value=value):
                marks = value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value]
                above = [*above, *marks]
    for child in node.body:
        if isinstance(child, ast.ClassDef):
            inner = [*above, *child.decorator_list]
            yield from _definitions(child, f"{prefix}{child.name}::", inner)
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield prefix + child.name, [*above, *child.decorator_list]


def _numbers(mark: ast.expr) -> Iterator[str]:
    match mark:
        case ast.Call(func=ast.Attribute(attr="requirement"), args=args):
            for arg in args:
                if isinstance(arg, ast.Constant) and isinstance(arg.value, str):
                    yield arg.value


def _shown(item: Requirement) -> Iterator[str]:
    yield f"**{item.number}** ({item.kind}): {item.text}"
    yield ""
    yield from (f"- `{test}`" for test in item.tests)
    yield ""


def _not_shown(area: str, items: list[Requirement]) -> Iterator[str]:
    yield f"### {area}"
    yield ""
    yield from (f"- {item.number} ({item.kind}): {item.text}" for item in items)
    yield ""


# --- cli.md ------------------------------------------------------------------------------------


def cli_page() -> str:
    """Every command with its help, arguments and options, and the exit codes."""
    root = get_command(app)
    return _page(
        "Command line",
        f"{root.help}",
        "",
        f"`python -m jobhost` is the same program; `{PROGRAM} --version` tells which one it is.",
        "Each command explains itself with `--help`.",
        "",
        *(line for path, command in _commands(root, PROGRAM) for line in _command(path, command)),
        "## Exit codes",
        "",
        "| code | meaning |",
        "|--:|---|",
        *(f"| {code.value} | {meaning} |" for code, meaning in MEANINGS.items()),
    )


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """All commands, groups replaced by what is in them."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, f"{path} {name}")
    if not hasattr(command, "commands"):
        yield path, command


def _command(path: str, command: Any) -> Iterator[str]:
    arguments = [item for item in command.params if not _is_option(item)]
    options = [item for item in command.params if _is_option(item) and not item.hidden]
    usage = " ".join([path, *(item.metavar or item.name.upper() for item in arguments)])
    about, _, examples = inspect.cleandoc(command.help or "").partition("\n\nExamples:\n")
    yield from (f"## {path}", "", "```", f"{usage} [options]", "```", "", about, "")
    if arguments or options:
        yield from ("| | meaning | default |", "|---|---|---|")
        yield from (_argument(item) for item in arguments)
        yield from (_option(item) for item in options)
        yield ""
    if examples:
        yield from ("```console", *_prompts(examples), "```", "")


def _is_option(parameter: Any) -> bool:
    return bool(parameter.opts[0].startswith("-"))


def _argument(argument: Any) -> str:
    told = f"`{argument.default}`" if isinstance(argument.default, str) else ""
    return f"| `{argument.metavar}` | {_cell(argument.help)} | {told} |"


def _option(option: Any) -> str:
    default = option.default
    told = "" if default in (None, False) or callable(default) else f"`{default}`"
    kind = getattr(getattr(option, "type_descriptor", None), "annotation", None)
    choices = list(kind) if isinstance(kind, EnumType) else []
    meaning = " ".join([_cell(option.help), *_one_of(choices)])
    return f"| `{', '.join(option.opts)}` | {meaning} | {told} |"


def _one_of(choices: list[Any]) -> list[str]:
    return [f"One of {', '.join(f'`{choice}`' for choice in choices)}."] if choices else []


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


def _prompts(examples: str) -> Iterator[str]:
    """Commands get a prompt; a line of a crontab is shown as it is."""
    for line in inspect.cleandoc(examples).splitlines():
        yield f"$ {line}" if line.startswith(PROGRAM) else line


# --- defaults.md -------------------------------------------------------------------------------


def defaults_page() -> str:
    """Every default that a user meets, with its reason."""
    return _page(
        "Defaults",
        "What holds where nothing else is said. Precedence of a job's options: the call over the",
        "task over the queue over the host.",
        "",
        *defaults.lines(),
    )


# --- Writing and checking ----------------------------------------------------------------------

PAGES: Final[dict[str, Callable[[], str]]] = {
    "states.md": states_page,
    "errors.md": errors_page,
    "guidance.md": guidance_page,
    "cli.md": cli_page,
    "defaults.md": defaults_page,
}


def stale_pages() -> list[str]:
    """Names of the pages whose file is not what would be written now."""
    return [name for name, make in PAGES.items() if _stored(name) != make()]


def _stored(name: str) -> str | None:
    file = DOCS / name
    return file.read_text(encoding="utf-8") if file.exists() else None


def _page(title: str, *lines: str) -> str:
    text = "\n".join((f"# {title}", "", NOTICE, "", *lines))
    return text.rstrip() + "\n"


def main() -> int:
    """The program; its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="change nothing, name stale pages")
    stale = stale_pages()
    if parser.parse_args().check:
        for name in stale:
            print(f"docs/{name} is stale: run 'make docs'", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (DOCS / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"wrote docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
