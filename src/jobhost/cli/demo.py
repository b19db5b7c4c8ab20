"""`jobhost demo`: the main job on real input, with a worker killed in the middle of it.

Indexes many files, one job each, with worker processes of its own (`demo_crew.py`). What it
reports is measured twice, by the ledger that the jobs write and by the store (`demo_report.py`).
"""

import os
import shutil
import signal
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote

import typer

from jobhost.cli.demo_crew import Crew, Killed, uninterrupted
from jobhost.cli.demo_server import TemporaryServer, bundled_programs
from jobhost.cli.exits import CommandError, Exit
from jobhost.cli.render import put
from jobhost.errors import UsageError
from jobhost.plurals import counted

if TYPE_CHECKING:
    from types import FrameType

    from jobhost.cli.demo_report import Progress

WORKERS: Final = 2
"""Enough to show that one goes on while the other is dead."""

FILES_MAX: Final = 20_000
"""A demo that never ends shows nothing: of a larger folder the first files are taken."""

STALL_SECONDS: Final = 60.0
"""When no job has ended for so long, something hangs."""

_LOOK_SECONDS: Final = 0.01
_SUFFIXES: Final = {".c", ".css", ".h", ".html", ".js", ".json", ".md", ".py", ".rst", ".txt"}
_NOT_STANDARD: Final = {"site-packages", "dist-packages"}
"""Installed packages lie in the standard library's folder but are no part of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the parts of a run share. Host, index and task are the example's."""

    files: Sequence[Path]
    host: Any
    task: Any
    index: Any
    crew: Crew


def demo(
    path: Annotated[
        Path | None,
        typer.Option(help="Index the text files of this folder instead of the standard library."),
    ] = None,
    query: Annotated[str, typer.Option(help="What to search for at the end.")] = "event loop",
    keep: Annotated[bool, typer.Option("--keep", help="Keep store, index and logs.")] = False,
    postgres: Annotated[
        bool,
        typer.Option(
            "--postgres",
            help="Keep the jobs on a PostgreSQL server that is started for the demo alone.",
        ),
    ] = False,
) -> None:
    """Index Python's standard library, one job a file, and kill a worker in the middle of it.

    A small folder may be done before a worker can be killed at work: then none is.

    Ends with exit code 1 when not all was as promised: a file was lost or finished
    twice, a worker ended by itself, or no job ended for a minute.

    Examples:

      jobhost demo
      jobhost demo --path ~/notes --query "event loop" --keep
      jobhost demo --postgres
    """
    example = example_folder()
    files = files_to_index(path)
    with ExitStack() as stack:
        stack.enter_context(_signals_unwind())
        with uninterrupted():
            folder = Path(tempfile.mkdtemp(prefix="jobhost-demo-"))
            stack.callback(_leave_folder, folder, keep=keep)
        url = _start_server(stack) if postgres else f"sqlite:///{quote(str(folder))}/jobhost.db"
        promised = _run(_set(example, folder, files, url), query)
    if not promised:
        raise typer.Exit(1)


def _start_server(stack: ExitStack) -> str:
    """The address of a server that ends with the demo, and takes its store along."""
    with uninterrupted():
        server = TemporaryServer(bundled_programs())
        stack.callback(server.stop)
    put(f"PostgreSQL {server.version}, started for this demo.")
    return server.url


def _leave_folder(folder: Path, *, keep: bool) -> None:
    if keep:
        kept = [name for name in ("jobhost.db", "index.db") if (folder / name).exists()]
        put(f"Kept in {folder}: {', '.join(kept)}, and the workers' logs.")
        return
    with uninterrupted():
        shutil.rmtree(folder, ignore_errors=True)


def example_folder() -> Path:
    """Where the example's code is: in the package when installed, else in the checkout."""
    package = Path(__file__).resolve().parents[1]
    places = [root / "examples" / "index_files" for root in (package, package.parents[1])]
    for place in places:
        if (place / "tasks.py").is_file():
            return place
    looked = " and ".join(map(str, places))
    raise CommandError(
        f"the demo's example is missing: looked in {looked}; install jobhost again", Exit.WRONG_USE
    )


def files_to_index(folder: Path | None) -> list[Path]:
    """The readable text files below a folder, by name; by default the standard library's.

    Raises UsageError when there is no such folder or nothing in it.
    """
    if folder is None:
        root = Path(sysconfig.get_path("stdlib"))
        sources = root.rglob("*.py")
        found = (f for f in sources if _NOT_STANDARD.isdisjoint(f.relative_to(root).parts))
    elif folder.is_dir():
        root = folder.resolve()
        found = (f for f in root.rglob("*") if f.suffix.lower() in _SUFFIXES)
    else:
        raise UsageError(f"--path must be a folder with text files; got {str(folder)!r}")
    files = sorted(file for file in found if _can_be_indexed(file))
    if not files:
        raise UsageError(f"{str(root)!r} has no readable text files: give another --path")
    return files[:FILES_MAX]


def _can_be_indexed(file: Path) -> bool:
    """Whether it is a readable file whose name is text, as a job's argument must be."""
    try:
        str(file).encode()
    except UnicodeEncodeError:
        return False
    return file.is_file() and os.access(file, os.R_OK)


def _set(example: Path, folder: Path, files: Sequence[Path], url: str) -> Scene:
    """Make the store, and put index and logs into the folder."""
    index_path = folder / "index.db"
    sys.path.insert(0, str(example))
    tasks, index = import_module("tasks"), import_module("index")
    tasks.host.use_store(url)
    tasks.host.migrate()
    return Scene(
        files=files,
        host=tasks.host,
        task=tasks.index_file,
        index=index.Index(index_path),
        crew=Crew(example, folder, url=url, index_path=index_path),
    )


def _run(scene: Scene, query: str) -> bool:
    """The demo. Whether everything was as promised."""
    from jobhost.cli.demo_report import measure, put_answer, put_measured, show_progress

    total = len(scene.files)
    with ExitStack() as stack:
        stack.callback(scene.host.close)
        stack.callback(scene.index.close)
        _refuse_query_without_words(scene, query)
        jobs = scene.task.enqueue_many([(file,) for file in scene.files])
        above = os.path.commonpath([file.parent for file in scene.files])
        first = "The first " if total == FILES_MAX else ""
        put(f"{first}{counted(total, 'file')} of {above}, one job each, {WORKERS} workers.")
        stack.callback(scene.crew.stop)
        for _ in range(WORKERS):
            scene.crew.start()
        with show_progress(total) as progress:
            killed = _kill_one(scene, progress)
            _wait_until(lambda: _ended(scene) == total, scene, progress)
        scene.crew.stop()  # nothing can run any more, so what is counted is final
        measured = measure(scene.index, scene.files, jobs, killed)
        put_measured(measured)
        put_answer(query, scene.index.search(query), Path(above))
    for problem in measured.problems:
        put(f"NOT AS PROMISED: {problem}.")
    return not measured.problems


def _refuse_query_without_words(scene: Scene, query: str) -> None:
    """Before there is anything to find: better than after all is done."""
    try:
        scene.index.search(query)
    except ValueError as error:
        raise UsageError(f"--query: {error}") from None


def _kill_one(scene: Scene, progress: "Progress") -> Killed | None:
    """When a third is done, kill a worker at work and start another in its place.

    None: all was done before that could be.
    """
    total = len(scene.files)
    killed: list[Killed] = []

    def try_it() -> bool:
        if scene.index.finished_count() * 3 >= total:
            killed.extend(scene.crew.kill_one_at_work(scene.index))
        return bool(killed) or _ended(scene) == total

    _wait_until(try_it, scene, progress)
    if not killed:
        progress.say(
            "No worker was killed: all was done before one could be caught at work. A --path with "
            "more files shows that as well."
        )
        return None
    number = scene.crew.start()
    progress.say(
        f"Killed worker {killed[0].number} (process {killed[0].pid}, SIGKILL) while it ran "
        f"{counted(len(killed[0].jobs), 'job')}; worker {number} takes its place."
    )
    return killed[0]


def _wait_until(happened: Callable[[], bool], scene: Scene, progress: "Progress") -> None:
    """Look again and again. Raises CommandError when a worker is gone or nothing moves."""
    done, moved_at = -1, time.monotonic()
    while not happened():
        scene.crew.check()
        if (now_done := scene.index.finished_count()) != done:
            done, moved_at = now_done, time.monotonic()
            progress.done(done)
        elif time.monotonic() - moved_at > STALL_SECONDS:
            what = f"no job has ended for {STALL_SECONDS:.0f} s, after {done:,}"
            raise CommandError(f"{what}: see the workers' logs with --keep", Exit(1))
        time.sleep(_LOOK_SECONDS)
    progress.done(scene.index.finished_count())


def _ended(scene: Scene) -> int:
    """Jobs that will not run any more, by the store."""
    from jobhost.jobs.states import FINAL
    from jobhost.store.plans.look import tally

    states = scene.host.store.read(tally).states
    return sum(states.get(state, 0) for state in FINAL)


@contextmanager
def _signals_unwind() -> Iterator[None]:
    """A polite end from outside unwinds like an exception, so that workers and folder go too."""

    def end(number: int, frame: "FrameType | None") -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
