"""Fixtures of the tests of nodes; what they give is in `sites.py`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sites import Site


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on each of the stores of its mark, or of its module's."""
    marked = metafunc.definition.get_closest_marker("stores")
    if marked and "store_kind" in metafunc.fixturenames:
        metafunc.parametrize("store_kind", marked.args)


@pytest.fixture
def store_kind() -> str:
    """The store of a test that is not marked."""
    return "sqlite"


@pytest.fixture
def url(request: pytest.FixtureRequest, store_kind: str, tmp_path: Path) -> str:
    """The address of an empty store."""
    if store_kind == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return f"sqlite:///{tmp_path}/jobs.db"


@pytest.fixture
def site(url: str, tmp_path: Path) -> Iterator[Site]:
    made = Site(url, tmp_path)
    try:
        yield made
    finally:
        made.close()
