"""From what stands on the command line to a host: MODULE:HOST, or the address of a store."""

import importlib
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Annotated, Final
from uuid import UUID

import typer

from jobhost.app import JobHost, url_option
from jobhost.cli.render import clean
from jobhost.errors import UsageError, did_you_mean

Place = Annotated[
    str,
    typer.Argument(
        metavar="MODULE:HOST",
        help="Where the host is, such as shop.jobs:host; imported from the working directory.",
    ),
]
HostUrl = Annotated[
    str | None, typer.Option("--url", help="Address of the store. Default: the host's own.")
]
StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="Address of the store. Default: JOBHOST_URL, else sqlite:///jobhost.db.",
    ),
]

TRACEBACK_LINES_MAX: Final = 12
"""Of a module that raises while it is imported: its last frames tell where."""


def load_host(place: str, url: str | None) -> JobHost:
    """The host at MODULE:HOST, on the store at `url` if that is given.

    Raises UsageError saying what was tried when there is none.
    """
    module_name, colon, path = place.partition(":")
    if not (colon and module_name and path):
        raise UsageError(
            f"expected MODULE:HOST, such as shop.jobs:host; got {place!r}: write the module, "
            "a colon, and the name of the variable that holds the JobHost"
        )
    if "/" in module_name or module_name.endswith(".py"):
        dotted = module_name.removesuffix(".py").strip("./").replace("/", ".")
        raise UsageError(
            f"{module_name!r} is a file, and a module is expected: try '{dotted}:{path}'"
        )
    host = _find(_import(module_name), path)
    if url is not None:
        host.use_store(url)
    return host


def where_to_look(host: JobHost, job_id: UUID) -> str:
    """The next step for whoever wants to know about a job; it works as it is printed."""
    return f"see 'jobhost jobs show {job_id}{url_option(host)}'"


@contextmanager
def prints_on_stderr() -> Iterator[None]:
    """While the user's code runs, its `print` goes to stderr, and so does what its child
    processes write: stdout is for results."""
    if sys.stdout is None or sys.stderr is None:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def _import(name: str) -> ModuleType:
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        with prints_on_stderr():
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise UsageError(_not_found(name, error.name, folder)) from None
        raise _raised_at_import(name, error) from error
    except (Exception, SystemExit) as error:
        raise _raised_at_import(name, error) from error


def _not_found(name: str, missing: str, folder: str) -> str:
    tried = f"no module {missing!r}" if missing == name else f"no module {missing!r} for {name!r}"
    parent, _, last = missing.rpartition(".")
    if parent:
        found = getattr(sys.modules.get(parent), "__path__", None)
        where = list(found) if found is not None else []
        if not where:
            return f"{tried}: {parent!r} is a module, not a package; check the name"
    else:
        where = [folder]
    near = get_close_matches(last, [module.name for module in iter_modules(where)], n=1)
    hint = f"did you mean {near[0]!r}?" if near else "check the name, or go to its folder first"
    also = "" if parent else " and among the installed packages"
    return f"{tried} in {', '.join(where)}{also}: {hint}"


def _raised_at_import(name: str, error: BaseException) -> UsageError:
    """The sentence; the module's own traceback goes to stderr before it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not _is_machinery(frame.filename)]
    lines = "".join(traceback.format_list(own)).splitlines()[-TRACEBACK_LINES_MAX:]
    last = "".join(traceback.format_exception_only(error)).rstrip()
    sys.stderr.write(clean("\n".join([*lines, last]), lines=True) + "\n")
    return UsageError(
        f"module {name!r} raised {type(error).__name__} while it was imported: "
        f"try python -c 'import {name}', and mend what it shows"
    )


def _is_machinery(file: str) -> bool:
    return file.startswith("<frozen ") or file in (__file__, importlib.__file__)


def _find(module: ModuleType, path: str) -> JobHost:
    found: object = module
    for name in path.split("."):
        if not hasattr(found, name):
            hosts = [key for key, value in vars(module).items() if isinstance(value, JobHost)]
            hint = did_you_mean(name, hosts) if hosts else "it holds no JobHost; make one there"
            raise UsageError(f"{module.__name__!r} has no {path!r}: {hint}")
        found = getattr(found, name)
    if not isinstance(found, JobHost):
        hosts = [key for key, value in vars(module).items() if isinstance(value, JobHost)]
        raise UsageError(
            f"'{module.__name__}:{path}' is of type {type(found).__name__}, and a JobHost is "
            f"expected: {did_you_mean(path, hosts) if hosts else 'name the variable that holds it'}"
        )
    return found
