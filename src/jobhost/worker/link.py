"""A worker's end of the wire to its node, served by a thread of its own."""

import json
import os
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from jobhost.errors import StoreUnavailable
from jobhost.store.plans.nodes import News
from jobhost.worker.descendants import kill_all_below
from jobhost.worker.exit_codes import WorkerExit
from jobhost.worker.wire import (
    Goodbye,
    Hello,
    LeaveOut,
    Lost,
    Message,
    Ping,
    Pong,
    Ready,
    Stop,
    Tidings,
    Told,
    Welcome,
    Wire,
)

_WELCOME_SECONDS: Final = 5.0
"""Longest wait for a number; then the worker looks at its signals and waits again."""

_STOP_WORD_SECONDS: Final = 0.25
"""Longest wait for the word that goes before the node's own SIGTERM. It is there already, unless
the link's thread has had no turn since; short beside the second that jobs have to end then."""


class Link:
    """Serves the wire until the process ends.

    Args:
        wire: The worker's end.

    `running` and `rates` are called from the link's thread. `left_out` has the tasks that this
    worker must not claim.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._mutex = threading.Condition()
        self._welcome: Welcome | None = None
        self._taken: Welcome | None = None
        self._hurried = self._told_to_stop = False
        self._stop_word_seconds = _STOP_WORD_SECONDS
        self._is_ready = False
        self._on_lost: Callable[[], None] = _nothing
        self._on_news: Callable[[News], None] = _nothing
        self.left_out: Collection[str] = ()
        self.running: Callable[[], int] = int
        self.rates: Callable[[], Mapping[str, Any]] = dict
        self._told = "[]"

    def start(self, hello: Hello) -> None:
        """Say hello and serve."""
        self._wire.send(hello)
        threading.Thread(target=self._serve, name="jobhost-link", daemon=True).start()

    def say_ready(self) -> None:
        """The first turn is done. Said once, however often this is called."""
        if not self._is_ready:
            self._is_ready = True
            self._wire.send(Ready())

    def say_goodbye(self, code: WorkerExit) -> None:
        """This process ends with that code next, in order."""
        self._wire.send(Goodbye(code=code))

    def lose(self, number: int) -> None:
        """The store does not know this number's lease any more: ask for another."""
        self._wire.send(Lost(number=number))

    def registration(self) -> Welcome:
        """The next number that the node has entered for this worker; for the first one it waits as
        long as it takes. It is given again and again until it is taken. Raises StoreUnavailable
        when another does not come in time, or after `hurry`; call again then."""
        with self._mutex:
            patience = None if self._taken is None else _WELCOME_SECONDS
            self._mutex.wait_for(lambda: self._is_new() or self._hurried, patience)
            if not self._is_new() or self._welcome is None:
                raise StoreUnavailable("the node has not entered this worker in the store yet")
            return self._welcome

    def was_entered(self, within_seconds: float) -> bool:
        """Whether the node has entered this worker in the store, or does so in this time."""
        with self._mutex:
            return self._mutex.wait_for(lambda: self._welcome is not None, within_seconds)

    def take(
        self, welcome: Welcome, *, on_lost: Callable[[], None], on_news: Callable[[News], None]
    ) -> None:
        """Work under this number from now on.

        Args:
            welcome: What `registration` has given.
            on_lost: Called once, when the node has entered this worker again: from the link's
                thread, or from here if that has happened meanwhile.
            on_news: Called from the link's thread with what each heartbeat has heard.
        """
        with self._mutex:
            self._taken, self._on_lost, self._on_news = welcome, on_lost, on_news
            lost = self._is_new()
        if lost:
            on_lost()

    def hurry(self) -> None:
        """Wait for no number any more. From any thread, and from a signal handler."""
        with self._mutex:
            self._hurried = True
            self._mutex.notify_all()

    def was_told_to_stop(self) -> bool:
        """Whether the node itself has asked this worker to stop; to be called after a signal did.
        The first time it waits a moment for that word."""
        with self._mutex:
            patience, self._stop_word_seconds = self._stop_word_seconds, 0.0
            return self._mutex.wait_for(lambda: self._told_to_stop, patience)

    def _is_new(self) -> bool:
        return self._welcome is not self._taken

    def _serve(self) -> None:
        while (message := self._wire.receive()) is not None:
            self._heed(message)
        # Nobody answers for this process any more, and its jobs run elsewhere soon.
        kill_all_below()
        os._exit(WorkerExit.ORPHANED)

    def _heed(self, message: Message) -> None:
        match message:
            case Ping():
                self._wire.send(Pong(running=self.running()))
                self._tell_rates()
            case Welcome():
                with self._mutex:
                    # Who has not taken the last one yet finds out when it does.
                    on_lost = _nothing if self._is_new() else self._on_lost
                    self._welcome = message
                    self._mutex.notify_all()
                on_lost()
            case Stop():
                with self._mutex:
                    self._told_to_stop = True
                    self._mutex.notify_all()
            case Tidings():
                with self._mutex:
                    on_news = self._on_news
                on_news(News(message.lapsed, message.due_in_us, message.ready, message.blocked))
            case LeaveOut():
                self.left_out = frozenset(message.tasks)
            case _:
                pass  # a node of another release may say more

    def _tell_rates(self) -> None:
        """Unless the counts are the same as before."""
        rates = self.rates()
        told = json.dumps(rates.get("queues", []))
        if told != self._told:
            self._told = told
            self._wire.send(Told(rates=json.dumps(rates)))


def _nothing(*_: object) -> None:
    """Until somebody listens."""
