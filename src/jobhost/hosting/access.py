"""The registrar's way to the store, which may change: a worker that starts later may know a newer
password."""

from jobhost.store.seam import Session, Store


class Access:
    """One store under one address, or two: all but `offer` belong to one thread.

    Args:
        store: As the first worker has named it.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._other: Store | None = None
        self._session: Session | None = None

    def session(self) -> Session:
        """A connection, opened by its first use. Raises StoreError."""
        if self._session is None:
            self._session = self.store.session()
        return self._session

    def offer(self, store: Store) -> None:
        """The same store by another address, to be tried when this one fails; it takes the place
        of one that was offered before. From any thread."""
        self._other = store

    def change(self) -> bool:
        """Go on with the other address; False: there is none. The present one is then the other,
        since nothing tells which of them works."""
        if self._other is None:
            return False
        self._end_session()
        self.store, self._other = self._other, self.store
        return True

    def hurry(self, seconds: float) -> None:
        """No wait for the store is longer from now on. From any thread."""
        if self._session is not None:
            self._session.hurry(seconds)

    def close(self) -> None:
        """Close all connections."""
        self._end_session()
        for store in (self.store, self._other):
            if store is not None:
                store.close()

    def _end_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()
