"""Real connections that a test steps statement by statement, in whichever order its dice say.

An actor is a connection with a thread of its own. What it does is a script: a generator that yields
what to run on the connection and is sent the result. The stage lets one actor after another make a
step; one whose step waits for a lock of another is left waiting, as the server says who waits.
"""

import random
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final, TypeVar

from postgres_server import connect

from jobhost.errors import StoreError, StoreUnavailable
from jobhost.store.plan import Plan
from jobhost.store.postgres.connection import PostgresConnection
from jobhost.store.postgres.target import Target

T = TypeVar("T")
Script = Generator[Callable[[], Any], Any, T]

GUARD_SECONDS: Final = 60.0
"""Only ends a test that hangs."""

_PATIENCE_SECONDS: Final = 0.004
"""A step that takes longer may be waiting for a lock: the server is asked."""

FATES: Final = ("commit",) * 12 + ("rollback", "abandon", "deaf")
"""How a transaction may end; "deaf": it commits, and nobody hears so."""


class Actor:
    """One connection, and what is to be done on it."""

    def __init__(self, target: Target) -> None:
        self.connection = PostgresConnection(target)
        self._thread = ThreadPoolExecutor(1)
        self._script: Script[None] | None = None
        self._step: Future[Any] | None = None

    @property
    def is_free(self) -> bool:
        """Whether it has nothing to do."""
        return self._script is None

    @property
    def is_waiting(self) -> bool:
        """Whether its last step has not ended."""
        return self._step is not None and not self._step.done()

    def has_ended_within(self, seconds: float) -> bool:
        """Wait so long for its last step."""
        return self._step is None or bool(wait([self._step], seconds).done)

    @property
    def backend(self) -> int | None:
        """The server's process behind it."""
        raw = self.connection.raw
        return None if raw is None or raw.closed else raw.info.backend_pid

    def play(self, script: Script[None]) -> None:
        """What to do next, from the beginning."""
        self._script, self._step = script, None

    def advance(self) -> None:
        """Hand the result of the last step to the script, and begin the next."""
        assert self._script is not None
        step, self._step = self._step, None
        try:
            if step is None:
                action = next(self._script)
            elif (error := step.exception()) is not None:
                action = self._script.throw(error)
            else:
                action = self._script.send(step.result())
        except StopIteration:
            self._script = None
            return
        self._step = self._thread.submit(action)

    def close(self) -> None:
        self.connection.close()
        self._thread.shutdown()


class Stage:
    """Lets actors make their steps.

    Args:
        dice: Decides who comes next.
    """

    def __init__(self, actors: Sequence[Actor], dice: random.Random) -> None:
        self.actors = actors
        self.steps = self.waits = 0
        self._dice = dice
        self._beside = connect()

    def step(self, choose: Callable[[Actor], Script[None]] | None) -> bool:
        """One actor makes a step; one without a script gets it from `choose`. False: all are free
        and none is chosen for."""
        busy = [actor for actor in self.actors if not actor.is_waiting]
        able = [actor for actor in busy if choose is not None or not actor.is_free]
        if not able:
            if not any(actor.is_waiting for actor in self.actors):
                return False
            self._await(lambda: not all(a.is_waiting for a in self.actors if not a.is_free))
            return True
        actor = self._dice.choice(able)
        if actor.is_free and choose is not None:
            actor.play(choose(actor))
        self.steps += 1
        actor.advance()
        self._settle(actor)
        return True

    def finish(self) -> None:
        """Until all scripts have come to their end."""
        while self.step(None):
            pass

    def close(self) -> None:
        for actor in self.actors:
            actor.close()
        self._beside.close()

    def _settle(self, actor: Actor) -> None:
        """Until the step has ended, or waits for somebody else."""
        end = time.monotonic() + GUARD_SECONDS
        while not actor.has_ended_within(_PATIENCE_SECONDS):
            if self._is_blocked(actor):
                self.waits += 1
                return
            assert time.monotonic() < end, "a step neither ends nor waits for a lock"

    def _await(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + GUARD_SECONDS
        while not condition():
            assert time.monotonic() < end, "all actors wait for each other"
            time.sleep(0.001)

    def _is_blocked(self, actor: Actor) -> bool:
        found = self._beside.execute("SELECT pg_blocking_pids(%s)", [actor.backend]).fetchone()
        return bool(found and found[0])


class OutcomeUnknownError(Exception):
    """The transaction may have been committed or not."""


def transaction(
    actor: Actor, make: Callable[[], Plan[T]], *, stretched: bool, fate: str = "commit"
) -> Script[T]:
    """Drive a plan. Raises OutcomeUnknownError for whatever does not end in a heard commit.

    Args:
        stretched: What would commit by itself becomes part of an open transaction.
        fate: One of FATES.
    """
    connection = actor.connection
    try:
        yield connection.begin
        result = yield from _drive(connection, make(), stretched=stretched)
        if fate == "abandon":
            yield connection.drop
            raise StoreUnavailable("the client is gone")
        if fate == "rollback":
            raise StoreUnavailable("the client has changed its mind")
        yield connection.commit
    except StoreError as error:
        yield connection.rollback
        raise OutcomeUnknownError(str(error)) from error
    if fate == "deaf":
        raise OutcomeUnknownError("nobody heard of the commit")
    return result


def _drive(connection: PostgresConnection, plan: Plan[T], *, stretched: bool) -> Script[T]:
    try:
        statement = next(plan)
        while True:
            now = statement._replace(alone=statement.alone and not stretched)
            statement = plan.send((yield lambda now=now: connection.execute(now)))
    except StopIteration as end:
        result: T = end.value
        return result
