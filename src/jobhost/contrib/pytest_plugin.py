"""Fixtures for pytest: `jobs` is `host.testing()` for the length of a test.

pytest finds this module by its entry point. Until a test asks for a fixture, nothing else of the
testing kit is loaded.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from jobhost.app import JobHost
    from jobhost.testing import JobsUnderTest

_INI = "jobhost"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The setting that names the host."""
    parser.addini(_INI, "the JobHost under test, as module:name", default="")


@pytest.fixture
def jobhost_host(request: pytest.FixtureRequest) -> "JobHost":
    """The host under test, which the setting `jobhost` names. Override it to give another."""
    from jobhost.app import JobHost  # noqa: PLC0415 - loaded with the first test that needs it

    place = str(request.config.getini(_INI))
    module, _, name = place.partition(":")
    if not module or not name:
        raise pytest.UsageError(
            f'which host is under test? Say jobhost = "module:name" in pytest\'s settings, or '
            f"override the fixture jobhost_host; got {place!r}"
        )
    host = getattr(import_module(module), name, None)
    if not isinstance(host, JobHost):
        raise pytest.UsageError(f"{place} is no JobHost but {host!r}: check the setting {_INI}")
    return host


@pytest.fixture
def jobhost_url() -> str | None:
    """The address of the test's store; None for a new SQLite file. Override it to give another."""
    return None


@pytest.fixture
def jobs(jobhost_host: "JobHost", jobhost_url: str | None) -> "Iterator[JobsUnderTest]":
    """The host's jobs, under test."""
    with jobhost_host.testing(url=jobhost_url) as jobs:
        yield jobs
