"""No part of a password is ever printed, however the address that holds it was miswritten."""

import re

import pytest

from jobhost import InvalidOption, JobHost
from jobhost.clock import SystemClock
from jobhost.store.address import open_store, without_password

PIECES = re.compile("hun|ter2|xyz", re.IGNORECASE)
"""Of the passwords below; no word of jobhost's about them holds one."""

HINT = "must be written as %XX"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://shop:hun[ter2@h/db",
        "postgresql://shop:hun]ter2@h/db",
        "postgresql://shop:[hunter2]@h/db",
        "postgresql://shop:hun ter2@h/db",
        "postgresql://shop:hun\tter2@h/db",
        "postgresql://shop:hun\nter2@h/db",
        "postgresql://shop:hun%ter2@h/db",
        "postgresql://shop:hun%00ter2@h/db",
        "postgresql://shop:hun@ter2@h/db",
        "postgresql://shop:hun@ter2/xyz#hunt@h/db",
        "postgresql://shop:hun/ter2@h/db",
        "postgresql://shop:hun?ter2@h/db",
        "postgresql://shop:hun?ter2=xyz@h/db",
        "postgresql://shop:hun#ter2@h/db",
        "postgresql://shop:hun\udc80ter2@h/db",
        "postgresql://shop@h/db?password=hun@ter2",
        "postgres://shop:hun[ter2@h/db",
        "postgresql+psycopg://shop:hun[ter2@h/db",
    ],
)
def test_a_character_that_cannot_stand_in_an_address_is_told_without_the_password(
    url: str,
) -> None:
    with pytest.raises(InvalidOption, match=HINT) as caught:
        open_store(url, SystemClock())
    assert not PIECES.search(str(caught.value))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert not PIECES.search(repr(JobHost(url)))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://shop:hunter2",
        "postgresql://shop:hunter2/db",
        "postgresql://h/db?password=hun&ter2=xyz",
        "shop:hunter2@h/db",
        "//shop:hunter2@h/db",
        "mysql://shop:hun@ter2@h/db",
    ],
)
def test_other_mistakes_are_told_without_the_password_too(url: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        open_store(url, SystemClock())
    assert not PIECES.search(str(caught.value))


def test_other_secrets_than_the_password_are_hidden_as_well() -> None:
    url = "postgresql://h/db?sslpassword=hunter2&oauth_client_secret=xyz&sslmode=require"
    assert not PIECES.search(open_store(url, SystemClock()).url)
    assert without_password(url).endswith("&sslmode=require")
    assert not PIECES.search(without_password(url))


def test_characters_written_as_they_must_be_are_read_as_they_were_meant() -> None:
    pytest.importorskip("psycopg")
    from jobhost.store.postgres.target import read_target

    url = "postgresql://shop:%40%2F%23%3F%25%5B%5D%20@h/db?krbsrvname=a%40b"
    target = read_target(url, SystemClock())
    assert target.parameters["password"] == "@/#?%[] "
    assert target.parameters["krbsrvname"] == "a@b"
    assert read_target(target.url, SystemClock()).parameters["krbsrvname"] == "a@b"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (":0/db", "the port must be a number from 1 to 65535"),
        (":65536/db", "the port must be a number from 1 to 65535"),
        (":5432x/db", "the port must be a number from 1 to 65535"),
        ("/db?port=many", "the port must be a number from 1 to 65535"),
        ("/db?sslmod=require", "did you mean 'sslmode'"),
        ("/db?schema=public", "schema 'public' is not the store's alone"),
        ("/db?schema=information_schema", "schema 'information_schema' is not the store's alone"),
        ("/db?schema=pg_foo", "schema 'pg_foo' is not the store's alone"),
        ("/db?schema=Upper", "small letters"),
        ("/db?pooler=session", "none or transaction"),
    ],
)
def test_a_wrong_part_of_an_address_is_named(more: str, told: str) -> None:
    with pytest.raises(InvalidOption, match=re.escape(told)):
        open_store(f"postgresql://h{more}", SystemClock())


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://a:1,b:2/db?target_session_attrs=primary",
        "postgresql://[::1]:5432/db",
        "postgresql:///db?host=/run/postgresql",
        "postgresql://h/db?ssl=true",
        "postgresql://",
        "postgresql://h/db?schema=pgfoo",
    ],
)
def test_an_address_that_libpq_reads_is_read(url: str) -> None:
    assert open_store(url, SystemClock()).url.startswith("postgresql://")
