"""The pages are true: their code runs, their links lead somewhere, generated ones are fresh."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import DOCS, ROOT, WRITTEN, Block, anchors, blocks, links, name_of, prose

WITH_PYTHON = [page for page in WRITTEN if any(b.language == "python" for b in blocks(page))]
ADRS = sorted((DOCS / "adr").glob("*.md"))


def all_blocks(language: str) -> list[tuple[Path, Block]]:
    return [(page, b) for page in WRITTEN for b in blocks(page) if b.language == language]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name_of)
def test_the_python_of_a_page_runs_as_it_stands(page: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("run_page.py"), page],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_only_plain_python_blocks_or_explained_ones() -> None:
    for page, block in all_blocks("python"):
        explained = block.info == "python no-run" and block.text.startswith("# ")
        assert block.info == "python" or explained, f"{name_of(page)}:{block.line}"


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{name_of(page)} links to {link}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, new = set[Path](), [ROOT / "README.md"]
    while new:
        page = new.pop()
        if page.suffix == ".md" and page not in reached:
            reached.add(page)
            local = [link.partition("#")[0] for link in links(page) if "://" not in link]
            new += [(page.parent / link).resolve() for link in local if link]
    left = {name_of(page) for page in WRITTEN} - {name_of(page) for page in reached}
    assert left == {"CHANGELOG.md"}


def test_generated_pages_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, DOCS / "generate.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_numbers_of_decisions_are_unique_and_without_gaps() -> None:
    numbers = [int(page.name[:4]) for page in ADRS]
    assert numbers == list(range(1, len(ADRS) + 1))


@pytest.mark.parametrize("page", ADRS, ids=name_of)
def test_a_decision_has_its_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.name[:4]}. ")
    parts = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert parts == ["Status", "Context", "Decision", "Consequences", "Alternatives"]


def test_make_words_named_in_a_page_exist() -> None:
    words = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in WRITTEN:
        named = set(re.findall(r"`make ([a-z-]+)`", page.read_text(encoding="utf-8")))
        assert named <= words, name_of(page)
    assert "`make demo`" in prose(ROOT / "README.md")
    assert "`make test`" in prose(ROOT / "README.md")


def test_files_named_in_a_page_exist() -> None:
    for page in WRITTEN:
        for path in re.findall(r"`((?:src|docs|tests)/[\w/.-]+)`", prose(page)):
            assert (ROOT / path).exists(), f"{name_of(page)} names {path}"


@pytest.mark.requirement("R-JOB-6")
def test_a_decision_list_says_when_a_job_is_right() -> None:
    text = prose(DOCS / "when-to-use-a-job.md")
    answers = re.findall(r"^\d+\. .*?\*\*(.+?)\*\*", text, re.MULTILINE | re.DOTALL)
    assert "a job." in answers
    assert "no job." in answers
    assert "nobody has to interact with it and nobody has to wait for it" in text


@pytest.mark.requirement("R-MSG-17")
def test_setting_is_contrasted_with_adding_and_compare_and_set_is_shown() -> None:
    page = DOCS / "delivery.md"
    assert "**Set, do not add.**" in prose(page)
    assert "compare and set" in prose(page)
    assert any("AND balance = 100" in block.text for block in blocks(page))


@pytest.mark.requirement("R-MSG-20")
def test_what_the_delivery_count_tells_is_explained_with_links_to_the_background() -> None:
    page = DOCS / "delivery.md"
    text = prose(page)
    assert "More than one delivery".lower() in text.lower()
    assert "that is how a poison job looks" in text
    linked = " ".join(link for link in links(page) if link.startswith("https://"))
    assert "enterpriseintegrationpatterns.com" in linked
    assert "idempotent-methods" in linked


@pytest.mark.requirement("R-MSG-4")
def test_work_that_depends_on_order_is_shown_rewritten() -> None:
    page = DOCS / "delivery.md"
    assert "must not depend on another job's having ended" in prose(page)
    shown = [block.text for block in blocks(page)]
    before = next(at for at, text in enumerate(shown) if "# may run first" in text)
    assert "ship.enqueue(order)" in shown[before + 1]
