"""The command `jobhost`: its commands, and the boundary where every error becomes a sentence."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

import jobhost
from jobhost.cli import dead, jobs, nodes, queues
from jobhost.cli.demo import demo
from jobhost.cli.doctor import doctor
from jobhost.cli.enqueue import enqueue
from jobhost.cli.exits import CommandError, Exit, exit_of, table
from jobhost.cli.hosts import StoreUrl
from jobhost.cli.init import init
from jobhost.cli.move import move
from jobhost.cli.prune import prune
from jobhost.cli.render import put, tell
from jobhost.cli.roles import roles
from jobhost.cli.run import run
from jobhost.cli.top import top
from jobhost.cli.worker import worker
from jobhost.errors import JobhostError

PROGRAM: Final = "jobhost"

app = typer.Typer(
    name=PROGRAM,
    help="Background jobs for Python: typed tasks, durable storage, safe workers.",
    epilog=f"Exit codes:\n\n{table()}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        put(f"jobhost {jobhost.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None: ...


app.command()(init)


@app.command()
def migrate(url: StoreUrl = None) -> None:
    """Make the store's schema, or bring it to this release.

    Safe to repeat, and from several places at once.

    Examples:

      jobhost migrate
      jobhost migrate --url sqlite:////var/lib/shop/jobs.db
    """
    from jobhost.app import JobHost

    with JobHost(url) as host:
        applied = host.migrate()
        where = host.store.url
    if applied:
        put(f"{where}: applied {', '.join(applied)}")
    else:
        put(f"{where}: nothing to do")


app.command()(worker)
app.command()(enqueue)
app.command()(run)
app.command()(top)
app.command()(doctor)
app.command()(prune)
app.command()(roles)
app.command()(move)
app.command()(demo)
app.add_typer(jobs.app, name="jobs")
app.add_typer(dead.app, name="dead")
app.add_typer(nodes.app, name="nodes")
app.add_typer(queues.app, name="queues")


def main() -> None:
    """Entry point of the console script."""
    if sys.stdout is None:  # closed by the caller, who does not want to read what was done
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - stays open
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code. Errors are told in one sentence on stderr."""
    command = typer.main.get_command(app)
    try:
        code = command.main(list(arguments), prog_name=PROGRAM, standalone_mode=False)
    except CommandError as error:
        tell(str(error))
        return error.code
    except JobhostError as error:
        tell(str(error))
        return exit_of(error)
    except typer.TyperException as error:
        return _wrong_use(error)
    except OSError as error:
        tell(f"{error.filename or 'stdout'}: {error.strerror}; check its place and rights")
        return Exit.STORE
    except (KeyboardInterrupt, typer.Abort):
        code = Exit.INTERRUPTED
    if code == Exit.INTERRUPTED:
        tell("interrupted")
    return int(code or 0)


def _wrong_use(error: typer.TyperException) -> int:
    """What the parser refused: its message in one sentence, with where to look."""
    context = getattr(error, "ctx", None)
    where = PROGRAM if context is None else context.command_path
    if type(error).__name__ == "NoArgsIsHelpError":
        tell(f"a command is missing: see '{where} --help'")
    else:
        tell(f"{error.format_message().rstrip('.')}: see '{where} --help'")
    return Exit.WRONG_USE
