"""`jobhost nodes`: who runs jobs, on which machines; and ask some of them to stop."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final

import typer

from jobhost.app import JobHost, url_option
from jobhost.cli.exits import CommandError, Exit
from jobhost.cli.hosts import StoreUrl
from jobhost.cli.jobs_show import JsonOutput
from jobhost.cli.render import put, put_json, tell
from jobhost.cli.render_nodes import put_node, put_nodes
from jobhost.durations import seconds
from jobhost.errors import UsageError
from jobhost.plurals import counted

if TYPE_CHECKING:
    from jobhost.jobs.records import NodeRecord

LOOK_SECONDS: Final = 0.5
"""Between two looks at nodes that are waited for."""

Name = Annotated[
    str, typer.Argument(metavar="NODE", help="Its number, or HOST:PID, as 'nodes list' shows them.")
]

app = typer.Typer(help="Look at nodes and workers, and stop them.", no_args_is_help=True)


@app.command("list")
def list_nodes(
    gone: Annotated[
        bool, typer.Option("--all", help="Also those that ended within the last day, and why.")
    ] = False,
    json_output: JsonOutput = False,
    url: StoreUrl = None,
) -> None:
    """List the nodes, each with its workers, and the workers without a node.

    Slots and running jobs, memory, the load of the machine, the age of the last
    heartbeat, and the state: live, draining, dead (its process has gone), lapsed (its lease
    has run out), ended.

    Examples:

      jobhost nodes list
      jobhost nodes list --all
      jobhost nodes list --json
    """
    with JobHost(url) as host:
        nodes = host.nodes(gone=gone)
    if json_output:
        put_json({"nodes": [node.to_json() for node in nodes]})
    elif nodes:
        put_nodes(nodes)
    else:
        tell("no worker runs: start one with 'jobhost worker MODULE:HOST'")


@app.command("show")
def show(name: Name, json_output: JsonOutput = False, url: StoreUrl = None) -> None:
    """Show everything about one node or worker.

    Its workers, the jobs that run there and since when, the tasks that it knows.

    Examples:

      jobhost nodes show 17
      jobhost nodes show web1:4711 --json
    """
    from jobhost.store.plans.look_nodes import jobs_on

    with JobHost(url) as host:
        node = _the_one(host, name)
        living = host.nodes()
        node = next((one for one in living if one.number == node.number), node)
        workers = [one for one in living if one.supervisor == node.number]
        numbers = [node.number, *(worker.number for worker in workers)]
        jobs = host.store.read(lambda: jobs_on(numbers))
    if not json_output:
        put_node(node, workers, jobs)
        return
    put_json(
        {
            **node.to_json(),
            "workers": [worker.to_json() for worker in workers],
            "jobs": [job.to_json() for job in jobs],
        }
    )


@app.command("drain")
def drain(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NODE...", help="Numbers, or HOST:PID.")
    ] = None,
    everyone: Annotated[
        bool, typer.Option("--all", help="All nodes, and all workers without one.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Until they have ended.")] = False,
    timeout: Annotated[str, typer.Option(help="How long to wait at most.")] = "10m",
    json_output: JsonOutput = False,
    url: StoreUrl = None,
) -> None:
    """Ask nodes to stop, wherever they run.

    A node hears of it with its next heartbeat, that is within a third of its lease.
    Then it behaves as after SIGTERM: its workers claim nothing more, let running
    jobs end, and hand back the rest. A service manager may start it again.

    Examples:

      jobhost nodes drain 17
      jobhost nodes drain web1:4711 --wait --timeout 5m
      jobhost nodes drain --all --wait
      jobhost nodes drain --all --wait --json
    """
    if bool(names) is everyone:
        raise UsageError("say which nodes to drain, or --all; 'jobhost nodes list' shows them")
    wait_seconds = seconds(timeout, "--timeout")
    with JobHost(url) as host:
        wanted = _independent(host) if everyone else [_the_one(host, name) for name in names or ()]
        if not wanted:
            tell("no node or worker runs")
        told = _Told(code=Exit.DONE, say=tell if json_output else put)
        for node in wanted:
            try:
                _ask(host, node, told)
            except CommandError as error:
                tell(str(error))
                told.refused[node.number] = str(error)
                told.code = told.code or error.code
            else:
                told.asked.append(node)
        if wait:
            told.code = _wait(host, told, wait_seconds) or told.code
    if json_output:
        put_json(told.to_json())
    raise typer.Exit(told.code)


@dataclass(slots=True)
class _Told:
    """What came of a drain: of whom it was asked, who was refused and why, and of those that were
    waited for the reason of their end. `say` takes lines about that."""

    code: Exit
    say: Callable[[str], None]
    asked: "list[NodeRecord]" = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    ended: dict[int, str | None] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """With stable keys; `ended` is empty unless it was waited for."""
        refused = [{"number": number, "reason": why} for number, why in self.refused.items()]
        ended = [{"number": number, "reason": why} for number, why in self.ended.items()]
        asked = [{"number": node.number, "worker": node.worker} for node in self.asked]
        return {"asked": asked, "refused": refused, "ended": ended}


def _independent(host: JobHost) -> "list[NodeRecord]":
    """All that hear for themselves."""
    return [node for node in host.nodes() if node.supervisor is None and node.lease_live]


def _the_one(host: JobHost, name: str) -> "NodeRecord":
    """The node that is meant. Raises CommandError when there is none; UsageError when the process
    runs several workers."""
    from jobhost.store.plans.look_nodes import Place, find_nodes

    place = Place.read(name)
    found = host.store.read(lambda: find_nodes(place))
    if not found:
        raise _not_found(name, url_option(host))
    if len(found) > 1:
        numbers = ", ".join(str(node.number) for node in found)
        raise UsageError(f"{name} runs {counted(len(found), 'worker')}: name one, of {numbers}")
    return found[0]


def _not_found(name: str, option: str = "") -> CommandError:
    return CommandError(
        f"there is no node {name}: 'jobhost nodes list --all{option}' shows those that are there",
        Exit.NOT_FOUND,
    )


def _ask(host: JobHost, node: "NodeRecord", told: _Told) -> None:
    """Ask one to stop, and say so. Raises CommandError where that is not possible."""
    from jobhost.store.plans.operate import DrainResult, drain

    name = f"{node.number} ({node.worker})"
    match host.store.write(lambda: drain(node.number)):
        case DrainResult.REQUESTED:
            told.say(f"{name} was asked to stop; it hears of it with its next heartbeat")
        case DrainResult.SUPERVISED:
            raise CommandError(
                f"{name} is a worker of node {node.supervisor}, which would start another: drain "
                f"that one, with 'jobhost nodes drain {node.supervisor}{url_option(host)}'",
                Exit.WRONG_USE,
            )
        case DrainResult.LAPSED:
            raise CommandError(
                f"the lease of {name} has run out, so it does not hear: it is dead, or enters "
                f"anew under another number; see 'jobhost nodes list{url_option(host)}'",
                Exit.WRONG_USE,
            )
        case DrainResult.ENDED:
            raise CommandError(
                f"{name} has ended before: {node.end_reason or 'nothing is left to drain'}",
                Exit.WRONG_USE,
            )
        case None:
            raise _not_found(str(node.number), url_option(host))


def _wait(host: JobHost, told: _Told, wait_seconds: float) -> Exit:
    """Until all have ended, and say how far they are; NOT_ENDED when that takes too long."""
    left = {node.number: "" for node in told.asked}
    end = time.monotonic() + wait_seconds
    while left:
        living = {node.number: node for node in host.nodes()}
        for number in list(left):
            if (node := living.get(number)) is None:
                ended = _the_one(host, str(number))
                told.say(f"{number} ({ended.worker}) has ended: {ended.end_reason}")
                told.ended[number] = ended.end_reason
                del left[number]
            elif (now := _progress(node)) != left[number]:
                tell(now)
                left[number] = now
        if left and time.monotonic() >= end:
            still = ", ".join(map(str, left))
            tell(f"not ended yet: {still}; they go on draining, and --timeout sets the wait")
            return Exit.NOT_ENDED
        if left:
            time.sleep(LOOK_SECONDS)
    return Exit.DONE


def _progress(node: "NodeRecord") -> str:
    return f"{node.number} ({node.worker}) is {node.state}: {counted(node.running, 'job')} running"
