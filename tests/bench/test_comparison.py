"""From the rates of plain and other jobs to the rows of a figure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.comparison import Comparison, Rate
from bench.products import Jobhost
from bench.records import Tally
from bench.sqlite import SqliteFiles
from bench.stand import Stand

STAND = Stand(product=Jobhost(), databases=SqliteFiles(), size=lambda full: full)


@dataclass
class Known:
    """Jobs whose rates are known beforehand, one after the other."""

    name: str
    rates: list[Mapping[Rate, float]]
    tells: tuple[Rate, ...] = ("enqueue", "drain")
    title: str = "known"
    tally: Tally = field(default_factory=lambda: Tally(1))

    def take(self, stand: Stand) -> tuple[Mapping[Rate, float], Tally]:
        return self.rates.pop(0), self.tally


def _plain() -> Known:
    rates: list[Mapping[Rate, float]] = [
        {"enqueue": 100.0, "drain": 1000.0},
        {"enqueue": 300.0, "drain": 500.0},
    ]
    return Known(name="plain", title="plain", rates=rates)


def test_a_case_is_compared_with_the_mean_of_the_plain_jobs_before_and_after_it() -> None:
    case = Known(name="key", rates=[{"enqueue": 100.0, "drain": 750.0}], tally=Tally(5, lost=1))

    sample = Comparison(name="x", title="x", plain=_plain(), cases=(case,)).measure(STAND)

    assert sample.values["key_enqueue"] == 50.0
    assert sample.values["key_drain"] == 100.0
    assert (sample.values["plain_enqueue"], sample.values["plain_drain"]) == (200.0, 750.0)
    assert (sample.values["apart_enqueue"], sample.values["apart_drain"]) == (300.0, 50.0)
    assert sample.tally == Tally(7, lost=1)


def test_processor_time_that_one_of_the_drains_does_not_tell_is_compared_with_nothing() -> None:
    plain = Known(name="plain", rates=[{"drain": 2.0, "cost": 10.0}, {"drain": 2.0, "cost": 30.0}])
    plain.tells = ("drain", "cost")
    told = Known(name="told", rates=[{"drain": 1.0, "cost": 5.0}], tells=plain.tells)
    over = Known(name="over", rates=[{"drain": 1.0}], tells=plain.tells)

    sample = Comparison(name="x", title="x", plain=plain, cases=(told, over)).measure(STAND)

    assert sample.values["told_cost"] == 25.0
    assert (sample.values["told_drain"], sample.values["over_drain"]) == (50.0, 50.0)
    assert "over_cost" not in sample.values


def test_each_rate_has_its_rows_and_a_case_only_those_that_it_tells() -> None:
    case = Known(name="log", rates=[{"enqueue": 1.0, "drain": 75.0}], tells=("drain",))
    comparison = Comparison(
        name="said", title="what is said", plain=_plain(), cases=(case,), in_units=True
    )

    figure = comparison.figure()

    assert [row.key for row in figure.rows] == [
        "plain_enqueue",
        "apart_enqueue",
        "plain_drain",
        "apart_drain",
        "log_drain",
        "log_drain_units",
    ]
    assert (figure.name, figure.long) == ("said", True)
    assert {row.key for row in figure.rows} <= figure.measure(STAND).values.keys()
