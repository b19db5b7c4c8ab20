"""Hears what workers say: greets those that fit, refuses the others, keeps the signs of life."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from jobhost.events import Events
from jobhost.hosting import crew_words as crew
from jobhost.hosting.facts import Crewmate
from jobhost.hosting.greeting import difference
from jobhost.hosting.node_events import WorkerRefused
from jobhost.hosting.patience import Reentry
from jobhost.hosting.process import WorkerProcess
from jobhost.hosting.registrar import Registrar
from jobhost.store.plans.nodes import Kind
from jobhost.store.seam import Store
from jobhost.worker.wire import Hello, Lost, Message, Other, Pong, Ready, Told


class Happen(Protocol):
    """Takes what happened, and has it acted on."""

    def __call__(self, event: crew.Event) -> None: ...


class Reception:
    """Of one node.

    Args:
        make_registrar: Makes the registrar from the first worker's hello; only that tells where
            the store is.
        open_store: From such an address to the store.
        happen: Hears of it.
        events: Who hears of those that are refused.

    `registrar` is None until the first worker has said hello.
    """

    def __init__(
        self,
        make_registrar: Callable[[Hello], Registrar],
        open_store: Callable[[str], Store],
        happen: Happen,
        events: Events,
    ) -> None:
        self._make_registrar = make_registrar
        self._open_store = open_store
        self._happen = happen
        self._events = events
        self._first: Hello | None = None
        self._url = ""
        self._reentries: dict[int, Reentry] = {}
        self.registrar: Registrar | None = None

    def heed(self, process: WorkerProcess, message: Message) -> None:
        """Act on what this worker has said."""
        match message:
            case Hello():
                self._greet(process, message)
            case Ready():
                process.ready = True
                self._happen(crew.Ready(process.slot))
            case Pong(running=running):
                process.pinged_at, process.running = None, running
            case Told(rates=rates):
                process.rates = _read(rates)
            case Lost(number=number):
                if number == process.number:
                    reentry = self._reentries.setdefault(process.ticket, Reentry())
                    reentry.lose(number, time.monotonic())
                    self.enter_again(time.monotonic())
            case Other() if process.hello is None:
                self._refuse(process, "it runs another release of jobhost")
            case _:
                pass

    def enter_again(self, now: float) -> None:
        """Have those entered again whose time has come; to be called now and then."""
        for ticket, reentry in self._reentries.items():
            number = reentry.take_due(now)
            if number is not None and self.registrar is not None:
                self.registrar.enter_again(ticket, number)

    def is_held_up_by(self, pid: int) -> bool:
        """Whether this process holds what every writer of the store has to wait for."""
        return self.registrar is not None and self.registrar.is_held_up_by(pid)

    def bury(self, process: WorkerProcess) -> None:
        """It is gone."""
        self._reentries.pop(process.ticket, None)

    def _greet(self, process: WorkerProcess, hello: Hello) -> None:
        if self._first is None or self.registrar is None:
            self._first, self._url = hello, hello.url
            self.registrar = self._make_registrar(hello)
            self.registrar.start()
        elif other := difference(self._first, hello, lane=process.lane):
            self._refuse(process, other)
            return
        if hello.url != self._url:
            self._url = hello.url
            self.registrar.offer(self._open_store(hello.url))
        process.hello = hello
        self._happen(crew.Hello(process.slot))
        kind = Kind.LANE if process.lane else Kind.WORKER
        self.registrar.enter(
            Crewmate(ticket=process.ticket, kind=kind, pid=process.pid, slots=hello.slots)
        )

    def _refuse(self, process: WorkerProcess, why: str) -> None:
        self._events.emit(WorkerRefused(pid=process.pid, difference=why))
        process.kill(f"it does not fit the others: {why}")


def _read(rates: str) -> Mapping[str, Any]:
    """What a worker has told; nothing, if it makes no sense."""
    try:
        told = json.loads(rates)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
