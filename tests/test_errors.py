"""The tree of errors, as drawn and as it is."""

import re

import pytest

import jobhost
from jobhost import errors
from jobhost.errors import JobhostError, did_you_mean


def drawn() -> dict[str, str]:
    """The name of each class in the drawing with that of the class above it."""
    tree: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"    ([│├└─ ]*)([A-Z]\w+)(?:  .*)?$", line):
            level = len(found[1]) // 4
            del above[level:]
            if above:
                tree[found[2]] = above[-1]
            above.append(found[2])
    return tree


def real() -> dict[str, str]:
    tree: dict[str, str] = {}
    waiting: list[type[JobhostError]] = [JobhostError]
    while waiting:
        above = waiting.pop()
        for below in above.__subclasses__():
            if below.__module__ == errors.__name__:
                tree[below.__name__] = above.__name__
                waiting.append(below)
    return tree


def test_the_drawing_shows_the_tree_as_it_is() -> None:
    assert drawn() == real()
    assert len(drawn()) > 15


def test_every_error_can_be_imported_from_jobhost() -> None:
    for name in ["JobhostError", *real()]:
        assert getattr(jobhost, name) is getattr(errors, name)
        assert name in jobhost.__all__


def test_no_module_has_errors_of_its_own_beside_the_tree() -> None:
    strays = [
        below
        for above in map(errors.__dict__.get, ["JobhostError", *real()])
        if isinstance(above, type)
        for below in above.__subclasses__()
        if below.__module__.startswith("jobhost.") and below.__module__ != errors.__name__
    ]
    assert strays == []


def test_every_error_says_in_words_what_it_is() -> None:
    assert all(getattr(errors, name).__doc__ for name in real())


def test_waiting_in_vain_is_a_timeout_error_too() -> None:
    with pytest.raises(TimeoutError, match="late"):
        raise jobhost.ResultTimeout("late")


@pytest.mark.parametrize(
    ("known", "phrase"),
    [
        ([], "none is declared"),
        (["thumbnail", "mail"], "did you mean 'thumbnail'?"),
        (["b", "a"], "known: a, b"),
        ([f"job {n:02}" for n in range(11)], "known: job 00, job 01, job 02, job 03, job 04, "),
        ([f"job {n:02}" for n in range(11)], "job 09, …"),
    ],
)
def test_an_unknown_name_gets_the_nearest_or_a_short_list(known: list[str], phrase: str) -> None:
    assert phrase in did_you_mean("thumbnial", known)
