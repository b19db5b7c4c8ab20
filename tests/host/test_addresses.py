"""Addresses of stores, right and wrong."""

from pathlib import Path

import pytest

from jobhost import InvalidOption, JobHost, StoreUnavailable


def declare(host: JobHost) -> None:
    """A task to enqueue, on a host whose store is not opened yet."""

    @host.task
    def note() -> None: ...

    note.enqueue()


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///relative.db", "relative.db"),
        ("sqlite:///sub/with%20blank.db", "sub/with blank.db"),
        ("sqlite:///fast.db?synchronous=normal", "fast.db"),
        ("sqlite:///safe.db?synchronous=FULL", "safe.db"),
        ("sqlite:///Größe.db", "Größe.db"),
    ],
)
def test_an_address_names_a_file(
    url: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    with JobHost(url) as host:
        declare(host)
        assert host.store.url == f"sqlite:///{tmp_path / file}"
    assert (tmp_path / file).is_file()


def test_four_slashes_begin_at_the_root(tmp_path: Path) -> None:
    assert str(tmp_path).startswith("/")
    with JobHost(f"sqlite:///{tmp_path}/absolute.db") as host:
        declare(host)
    assert (tmp_path / "absolute.db").is_file()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "jobhost.db",
        "/var/lib/jobhost.db",
        "mysql://localhost/jobs",
        "sqlite3:///jobhost.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:////var/lib/",
        "sqlite://server/jobhost.db",
        "sqlite://jobhost.db",
        "sqlite:///jobhost.db?mode=ro",
        "sqlite:///jobhost.db?synchronous=off",
        "sqlite:///jobhost.db?synchronous=",
        "sqlite:///jobhost.db?synchronous=full&cache=shared",
    ],
)
def test_a_wrong_address_is_refused_with_what_came_and_how_one_looks(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with JobHost(url) as host, pytest.raises(InvalidOption, match="address") as caught:
        declare(host)
    assert repr(url) in str(caught.value)
    assert "sqlite:///" in str(caught.value) or "synchronous=full|normal" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ada:secret@db:5432/jobs", "postgresql://ada:***@db:5432/jobs"),
        ("postgresql://ada:se:cr@et@db/jobs", "postgresql://ada:***@db/jobs"),
        (
            "postgresql://db/jobs?user=ada&password=secret",
            "postgresql://db/jobs?user=ada&password=***",
        ),
        ("postgresql://db:5432/jobs", "postgresql://db:5432/jobs"),
        ("sqlite:////var/a:b@c.db", "sqlite:////var/a:b@c.db"),
    ],
)
def test_a_host_never_shows_a_password(url: str, shown: str) -> None:
    assert repr(JobHost(url)) == f"<JobHost {shown} with 0 tasks>"


def test_a_wrong_address_is_refused_without_its_passwords() -> None:
    with (
        JobHost("mysql://ada:se:cr@et@db/jobs?password=secret") as host,
        pytest.raises(InvalidOption, match="address") as caught,
    ):
        declare(host)
    assert "mysql://ada:***@db/jobs?password=***" in str(caught.value)


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with (
        JobHost(f"sqlite:///{tmp_path}/nowhere/jobhost.db") as host,
        pytest.raises(StoreUnavailable, match="nowhere does not exist: create it"),
    ):
        declare(host)


def test_reading_makes_no_store_where_there_is_none(host: JobHost, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"there is no store at .*jobhost\.db"):
        host.jobs()
    assert list(tmp_path.iterdir()) == []


def test_migrating_makes_the_store_once(host: JobHost) -> None:
    assert host.migrate() != []
    assert host.migrate() == []
    assert host.jobs() == []


def test_a_host_can_leave_its_store_for_another(host: JobHost, tmp_path: Path) -> None:
    host.migrate()
    host.use_store(f"sqlite:///{tmp_path}/other.db")
    declare(host)
    assert len(host.jobs()) == 1
    assert host.store.url == f"sqlite:///{tmp_path}/other.db"
