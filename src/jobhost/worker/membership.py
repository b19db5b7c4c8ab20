"""A worker's place among the nodes: its number, its proof of life, its bell and its lease."""

import os
import socket
from collections.abc import Callable, Sequence
from uuid import uuid4

from jobhost.clock import microseconds
from jobhost.store.plans.nodes import NewNode, News, leave, register
from jobhost.store.seam import Session, Store
from jobhost.version import VERSION
from jobhost.worker.heartbeat import Heartbeat


class Membership:
    """One registration, from entering to leaving. After a lost lease a new one is made.

    Args:
        store: The store to be a node of.
        session: The store thread's connection.
        slots, queues, tasks: What the others may know.
        lease_seconds: The lease.
        on_lost: Called from the heartbeat's thread when the lease was lost.
        on_news: Called from the heartbeat's thread with what a renewal has told.
    """

    def __init__(  # noqa: PLR0913 - wired in one place, all keyword-only
        self,
        store: Store,
        session: Session,
        *,
        slots: int,
        queues: Sequence[str],
        tasks: Sequence[str],
        lease_seconds: float,
        on_lost: Callable[[], None],
        on_news: Callable[[News], None],
    ) -> None:
        self.id = uuid4().hex
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._session = session
        self.bell = store.listen(self.id)
        self._presence = store.attend(self.id)
        new = NewNode(
            id=self.id,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=VERSION,
            slots=slots,
            queues=queues,
            tasks=tasks,
            lease_us=microseconds(lease_seconds),
        )
        try:
            self.number = session.write(lambda: register(new))
        except BaseException:
            self._presence.release()
            self.bell.close()
            raise
        self._heartbeat = Heartbeat(
            store, self.number, lease_seconds=lease_seconds, on_lost=on_lost, on_news=on_news
        )
        self._heartbeat.start()

    def leave(self) -> None:
        """End it: nothing is held any more. Raises StoreError; then the lease runs out."""
        self._heartbeat.stop()
        self._session.write(lambda: leave(self.number))

    def drop(self, *, ended: bool = True) -> None:
        """Let go of the bell, and of the proof of life if the node has `ended` in the store.

        If not, the kernel frees the proof with this process, and others rescue what the node
        held at once instead of waiting for its lease.
        """
        self._heartbeat.stop()
        if ended:
            self._presence.release()
        self.bell.close()
