"""Two stores for each test: one to move away from, one to move to."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgres_server import drop_schema, new_schema, store_url

from jobhost.clock import ManualClock
from jobhost.store.postgres.store import PostgresStore
from jobhost.store.seam import Store
from jobhost.store.sqlite.store import SqliteStore

from ..conftest import Direct
from ..world import World


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@pytest.fixture
def schema() -> Iterator[str]:
    name = new_schema()
    yield name
    drop_schema(name)


@pytest.fixture
def worlds(clock: ManualClock) -> Iterator[Callable[[Store], World]]:
    """Opens stores for a test, and closes them."""
    opened: list[Store] = []

    def open_world(store: Store) -> World:
        opened.append(store)
        return World(store, clock, Direct(store), lambda sql: [])

    yield open_world
    for store in opened:
        store.close()


@pytest.fixture
def here(path: Path, clock: ManualClock, worlds: Callable[[Store], World]) -> World:
    """The store to move away from."""
    return worlds(SqliteStore(path, clock))


@pytest.fixture
def there(schema: str, clock: ManualClock, worlds: Callable[[Store], World]) -> World:
    """The store to move to; not yet made."""
    return worlds(PostgresStore(store_url(schema), clock))
