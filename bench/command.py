"""The bench from its command line to its report."""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Final

from bench.database import Databases
from bench.machine import load, this_machine
from bench.options import Options, read_options
from bench.peers.huey_peer import Huey
from bench.peers.install import Installer, default_folder
from bench.peers.pgqueuer_peer import PgQueuer
from bench.processes import BenchError
from bench.products import Jobhost, Product
from bench.report import Report
from bench.result import Result
from bench.sqlite import SqliteFiles
from bench.stand import Size, Stand

QUICK_DIVISOR: Final = 10


def main(arguments: Sequence[str]) -> int:
    """Measure and print; 1 if anything was lost, ran twice or could not be measured."""
    options = read_options(arguments)
    # Unwinding ends the processes and removes the folders.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        report = _measured(options)
        print(report.render(markdown=options.markdown))
        if options.json is not None:
            report.write_json(options.json)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0 if report.is_clean() else 1


def _measured(options: Options) -> Report:
    with _databases(options) as (kinds, server):
        machine = replace(this_machine(), postgres=server)
        results = _in_rounds(options, _plan(options, kinds))
    machine = replace(machine, load_after=load())
    return Report(machine=machine, results=results, quick=options.quick)


@contextmanager
def _databases(options: Options) -> Iterator[tuple[list[Databases], str | None]]:
    """Where stores can be made, and the server in words if there is one."""
    kinds: list[Databases] = []
    described = None
    with ExitStack() as stack:
        for store in options.stores:
            if not any(store in figure.stores for figure in options.figures):
                continue
            if store == "sqlite":
                kinds.append(SqliteFiles())
            else:
                from bench.postgres import postgres_server  # noqa: PLC0415 - an extra

                server = stack.enter_context(postgres_server(options.postgres))
                described = server.describe()
                kinds.append(server)
        yield kinds, described


def _plan(options: Options, kinds: Sequence[Databases]) -> list[Result]:
    """What to measure, in the order of a round and of the report."""
    size: Size = _a_part if options.quick else _whole
    jobhost: Product = Jobhost()
    installer = Installer(default_folder())
    makers: dict[str, Callable[[Installer], Product]] = {"pgqueuer": PgQueuer, "huey": Huey}
    peers = [makers[name](installer) for name in options.peers]
    return [
        Result(figure=figure, stand=Stand(product=product, databases=databases, size=size))
        for databases in kinds
        for figure in options.figures
        if databases.store in figure.stores
        for product in (jobhost, *(peers if figure.peers else ()))
        if databases.store in product.stores and (product.takes_many or not figure.many)
    ]


def _in_rounds(options: Options, results: list[Result]) -> list[Result]:
    """In rounds, one run of each figure and product at a time: what else the machine does in a
    while then falls on all, and shows as their spread instead of as a difference between them."""
    for number in range(1, max(map(options.runs_of, options.figures)) + 1):
        for place, result in enumerate(results):
            if number <= (runs := options.runs_of(result.figure)) and result.error is None:
                stand = result.stand
                what = f"{stand.databases.store}, {result.figure.name}, {stand.product.name}"
                print(f"{what}: run {number} of {runs}", file=sys.stderr)
                results[place] = result.one_more()
    return results


def _whole(full: int) -> int:
    return full


def _a_part(full: int) -> int:
    return full // QUICK_DIVISOR
