"""A worker's place among the nodes if a node has entered it there: it has no lease of its own to
renew."""

import os
import socket
from collections.abc import Callable, Collection, Mapping
from typing import Any

from jobhost.events import Events, WorkerStarted
from jobhost.store.plans.nodes import News
from jobhost.store.seam import Store
from jobhost.worker.link import Link
from jobhost.worker.membership import Profile


class Supervised:
    """One registration that the node has made. After a lost lease the node makes a new one.

    Args:
        store: The store, whose bell is listened to.
        link: The way to the node.
        profile: What the log tells of this worker.
        events: Who hears that the worker has started.

    As with `Membership`, what the link's thread learns is left here as a note, and the bell rung.

    Raises StoreUnavailable when the node does not enter it in time, or it is to stop before.
    """

    drain_wanted = False
    suspects = False

    def __init__(self, store: Store, link: Link, profile: Profile, events: Events) -> None:
        self._link = link
        self._news: News | None = None
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.lost = False
        welcome = link.registration()
        self.number, self.id = welcome.number, welcome.id
        self.bell = store.listen(self.id)
        link.take(welcome, on_lost=self._told_lost, on_news=self._hear)
        events.emit(
            WorkerStarted(
                node=self.number,
                worker=self.name,
                queues=tuple(profile.queues),
                slots=profile.slots,
                tasks=len(profile.tasks),
            )
        )

    @property
    def left_out(self) -> Collection[str]:
        """Tasks that this worker must not claim."""
        return self._link.left_out

    @property
    def may_hand_back(self) -> bool:
        """Only if the node has asked for the stop. Else it may have been one of the jobs: the node
        takes them over, as after a death, and none can stop one worker after the other."""
        return self._link.was_told_to_stop()

    def began(self) -> None:
        """A turn was taken: the node may count on this worker."""
        self._link.say_ready()

    def lose(self) -> None:
        """The store says that the lease has ended: have the node enter this worker again."""
        if not self.lost:
            self._link.lose(self.number)
        self._told_lost()

    def take_news(self) -> News | None:
        """What the node's last heartbeat has told, once."""
        news, self._news = self._news, None
        return news

    def report_rates(self, told: Callable[[], Mapping[str, Any]]) -> None:
        """The node's heartbeats tell these rates from now on."""
        self._link.rates = told

    def leave(self) -> None:
        """The node ends the registration when this process has ended."""

    def drop(self, *, ended: bool = True) -> None:
        """Let go of the bell. The proof of life is the node's."""
        self.bell.close()

    def _told_lost(self) -> None:
        self.lost = True
        self.bell.ring()

    def _hear(self, news: News) -> None:
        self._news = news
        if news.asks:
            self.bell.ring()
