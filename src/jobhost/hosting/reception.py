"""Hears what workers say: greets those that fit, refuses the others, keeps the signs of life."""

from collections.abc import Callable
from typing import Protocol

from jobhost.hosting import crew_words as crew
from jobhost.hosting import logs
from jobhost.hosting.facts import Crewmate
from jobhost.hosting.greeting import difference
from jobhost.hosting.process import WorkerProcess
from jobhost.hosting.registrar import Registrar
from jobhost.store.plans.nodes import Kind
from jobhost.worker.wire import Hello, Lost, Message, Other, Pong, Ready


class Happen(Protocol):
    """Takes what happened, and has it acted on."""

    def __call__(self, event: crew.Event) -> None: ...


class Reception:
    """Of one node.

    Args:
        make_registrar: Makes the registrar from the first worker's hello; only that tells where
            the store is.
        happen: Hears of it.

    `registrar` is None until the first worker has said hello.
    """

    def __init__(self, make_registrar: Callable[[Hello], Registrar], happen: Happen) -> None:
        self._make_registrar = make_registrar
        self._happen = happen
        self._first: Hello | None = None
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
            case Lost(number=number):
                if number == process.number and self.registrar is not None:
                    self.registrar.enter_again(process.ticket, number)
            case Other() if process.hello is None:
                self._refuse(process, "it runs another release of jobhost")
            case _:
                pass

    def _greet(self, process: WorkerProcess, hello: Hello) -> None:
        if self._first is None or self.registrar is None:
            self._first = hello
            self.registrar = self._make_registrar(hello)
            self.registrar.start()
        elif other := difference(self._first, hello, lane=process.lane):
            self._refuse(process, other)
            return
        process.hello = hello
        self._happen(crew.Hello(process.slot))
        kind = Kind.LANE if process.lane else Kind.WORKER
        self.registrar.enter(
            Crewmate(ticket=process.ticket, kind=kind, pid=process.pid, slots=hello.slots)
        )

    def _refuse(self, process: WorkerProcess, why: str) -> None:
        logs.refused(process, why)
        process.kill(f"it does not fit the others: {why}")
