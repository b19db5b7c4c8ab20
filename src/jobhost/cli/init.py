"""`jobhost init`: a first program with two tasks, its settings, and what to type next."""

import keyword
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Annotated, Final

import typer

from jobhost.cli.render import put
from jobhost.cli.starter import (
    PROGRAM,
    SETTINGS,
    UNIT,
    one_line,
    settings_line,
    unit_path,
    unit_word,
)
from jobhost.errors import InvalidOption, UsageError

SETTINGS_FILE: Final = "jobhost.env"
UNIT_FILE: Final = "jobhost.service"

OWNER_ONLY: Final = 0o600
"""Of the settings: an address may have a password in it."""


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where to; it is made if it is not there.")
    ] = Path(),
    store: Annotated[
        str | None,
        typer.Option("--store", help="Address of the store. Default: sqlite:///jobhost.db."),
    ] = None,
    module: Annotated[
        str, typer.Option("--module", help="What the program is called, without .py.")
    ] = "jobs",
    systemd: Annotated[
        bool, typer.Option("--systemd", help="Also write a unit that keeps a node running.")
    ] = False,
) -> None:
    """Write a small program with two tasks, and say what to type next.

    jobs.py has a host, a task on the event loop and one in a thread; jobhost.env
    has the settings. Nothing that is there is ever overwritten.

    Examples:

      jobhost init
      jobhost init shop --store postgresql://shop@db.example/shop
      jobhost init --module background --systemd
    """
    address = None if store is None else _address(store)
    check_module(module)
    place = folder.resolve()
    files = {f"{module}.py": PROGRAM, SETTINGS_FILE: SETTINGS + settings_line(address)}
    if systemd:
        files[UNIT_FILE] = _unit(place, module)
    _refuse(place, module, files)
    place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        _write(place / name, text)
        put(f"wrote {folder / name}")
    put("\nnext:")
    for command in next_commands(folder, module, has_settings=address is not None):
        put(f"  {command}")


def next_commands(folder: Path, module: str, *, has_settings: bool) -> list[str]:
    """What to type, word for word, to see a job run.

    Args:
        folder: Where the program is, as it was given.
        module: What it is called.
        has_settings: Whether the settings name a store, which a shell must read then.
    """
    first = [] if folder.resolve() == Path.cwd() else [f"cd {quote(str(folder))}"]
    if has_settings:
        first.append(f"set -a; . ./{SETTINGS_FILE}; set +a")
    return [
        *first,
        "jobhost migrate",
        f"jobhost enqueue {module}:host greet --args '[\"Ada\"]'",
        f"jobhost worker {module}:host --burst",
    ]


def check_module(name: str) -> None:
    """Raises InvalidOption for a name that could not be imported, or would hide another module."""
    if not name.isidentifier() or keyword.iskeyword(name) or not name.isascii():
        raise InvalidOption(
            f"--module must be a name that Python can import, such as 'jobs'; got {name!r}"
        )
    if name in sys.stdlib_module_names or name == "jobhost":
        raise InvalidOption(f"--module {name!r} would hide the module of that name: take another")


def _address(url: str) -> str:
    """An address that a store has. Raises InvalidOption."""
    from jobhost.clock import SystemClock
    from jobhost.store.address import open_store

    open_store(url, SystemClock()).close()  # only read: the first use would open it
    return one_line(url, "--store")


def _refuse(place: Path, module: str, files: Mapping[str, str]) -> None:
    """Raises UsageError when something stands where a file is to go, before any is written."""
    if place.exists() and not place.is_dir():
        raise UsageError(f"{place} is a file, and a folder is expected: name another")
    for name in files:
        if (place / name).exists() or (place / name).is_symlink():
            raise UsageError(_taken(place / name, module))
    if (place / module).is_dir():  # Python would import that, and not the program
        raise UsageError(_taken(place / module, module))


def _taken(path: Path, module: str) -> str:
    step = "move it away, or name another folder"
    if path.stem == module:
        step += ", or another program with --module"
    return f"{path} is there already, and nothing is overwritten: {step}"


def _write(path: Path, text: str) -> None:
    """Make the file. Raises UsageError if somebody has made it meanwhile."""
    try:
        with path.open("x", encoding="utf-8") as file:
            if path.name == SETTINGS_FILE:
                path.chmod(OWNER_ONLY)
            file.write(text)
    except FileExistsError:
        raise UsageError(_taken(path, path.stem)) from None


def _unit(place: Path, module: str) -> str:
    program = shutil.which("jobhost") or str(Path(sys.executable).with_name("jobhost"))
    return UNIT.format(
        module=module,
        folder=unit_path(place),
        program=unit_word(Path(program).absolute()),
        settings=unit_path(place / SETTINGS_FILE),
    )
