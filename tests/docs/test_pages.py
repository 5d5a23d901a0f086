"""The pages for people: short enough to read, and every file, test, target and link they name exists."""

import re
from pathlib import Path

import pytest

from loadtests.server import REPO

FOLDERS = r"(?:models|training|service|loadtests|tests|deploy|docs|\.ci|\.github)"
PATH = re.compile(rf"(?<![\w/.-])({FOLDERS}/[\w./-]*\w/?)(?:::(\w+))?")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
TARGET = re.compile(r"(?:`|^\$ )(?:[A-Z]+=\w+ )?make ((?:[a-z-]+ ?)+)", re.MULTILINE)
PLANNED = {"service/protocols/"}
"""Named as places of what arrives with a later issue."""

MAX_README_LINES = 130
MAX_LINE = 120
GENERATED = re.compile(r"^<!-- bench -->$.*?^<!-- /bench -->$", re.MULTILINE | re.DOTALL)
"""The part of docs/benchmarks.md that `make bench` writes."""

WIDE_TABLES = ("docs/log.md", "docs/benchmarks.md")
"""Their rows hold measurements that belong on one line."""

PAGES = sorted(
    str(path.relative_to(REPO))
    for path in (*REPO.glob("*.md"), *(REPO / "docs").rglob("*.md"), *(REPO / ".github").rglob("*.md"))
)


def text(page: str) -> str:
    return (REPO / page).read_text()


@pytest.mark.parametrize("page", PAGES)
def test_files_and_tests_named_exist(page):
    missing = set()
    for path, test in PATH.findall(text(page)):
        if "NAME" in path or path in PLANNED:
            continue
        # docs/decisions/0008 is short for the page that begins so.
        if not (REPO / path).exists() and not (re.search(r"/\d{4}$", path) and [*REPO.glob(f"{path}-*")]):
            missing.add(path)
        elif test and not re.search(rf"^(async )?def {test}\b", text(path), re.MULTILINE):
            missing.add(f"{path}::{test}")

    assert not missing


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    folder = (REPO / page).parent

    assert not {link for link in LINK.findall(text(page)) if not (folder / link).exists()}


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_named_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.MULTILINE))
    named = {target for group in TARGET.findall(text(page)) for target in group.split()}

    assert named <= targets


@pytest.mark.parametrize("page", PAGES)
def test_lines_are_short(page):
    lines = GENERATED.sub("", text(page)).splitlines()
    if page in WIDE_TABLES:
        lines = [line for line in lines if not line.startswith("|")]

    assert not [line for line in lines if len(line) > MAX_LINE]


def test_readme_is_short():
    assert len(text("README.md").splitlines()) <= MAX_README_LINES


def test_request_walk_has_ten_stops_at_most():
    walk = text("docs/architecture.md").partition("## POST /classify")[2].partition("\n## ")[0]
    stops = re.findall(r"^\d+\. ", walk, re.MULTILINE)

    assert 5 <= len(stops) <= 10


def test_decisions_are_numbered_without_gaps():
    numbers = [int(path.name[:4]) for path in sorted(Path(REPO, "docs", "decisions").glob("*.md"))]

    assert numbers == list(range(1, len(numbers) + 1))
