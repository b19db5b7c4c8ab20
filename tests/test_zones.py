"""Time zones by name."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from jobhost import zones
from jobhost.errors import InvalidOption


def test_a_zone_is_found_by_its_name() -> None:
    assert zones.find_zone("Europe/Berlin") == ZoneInfo("Europe/Berlin")
    assert zones.find_zone("UTC") is UTC


@pytest.mark.parametrize("wrong", ["Europe/Berlln", "", "../etc/passwd", "/etc/passwd", None, 3])
def test_an_unknown_zone_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidOption, match="IANA name of a time zone"):
        zones.find_zone(wrong)


def test_the_nearest_name_is_told() -> None:
    with pytest.raises(InvalidOption, match="did you mean 'Europe/Berlin'"):
        zones.find_zone("Europe/Berlln")


def test_a_machine_without_a_table_of_zones_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zones, "available_timezones", set)
    with pytest.raises(InvalidOption, match="install the package tzdata"):
        zones.find_zone("Nowhere/Atall")
    assert zones.find_zone("UTC") is UTC
