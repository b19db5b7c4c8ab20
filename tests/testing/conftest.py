"""The shop's host, under test."""

from collections.abc import Iterator

import little_shop as shop
import pytest

from jobhost.testing import JobsUnderTest


@pytest.fixture
def jobs() -> Iterator[JobsUnderTest]:
    shop.sent.clear()
    with shop.host.testing() as jobs:
        yield jobs
