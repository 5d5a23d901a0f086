"""The commands `lab` and `course`."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from training.__main__ import app
from training.course import LABS, Lab, commands
from training.course.page import Page


def training(*arguments: object):
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture
def labs(monkeypatch):
    """Two labs that do nothing but say what they were given."""
    given = []

    class Trivial(Lab):
        def load(self):
            def run(workbench):
                given.append(workbench)
                return Page(self.name, "A claim.", True, f"{self.name} holds.", (), ("a.py",), "Try.")

            return run

    two = {name: Trivial(name, "none", f"what {name} shows") for name in ("first", "second")}
    monkeypatch.setattr(commands, "LABS", two)
    return given


def test_lab_without_a_name_lists_them_in_reading_order():
    done = training("lab")

    assert done.exit_code == 0
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [words[0] for words in lines if words and words[0] in LABS] == list(LABS)


def test_an_unknown_lab_is_an_error_that_names_those_there_are():
    done = training("lab", "nonsense")

    assert done.exit_code == 1
    assert done.stderr.startswith("error: There is no lab 'nonsense'; there are ")
    assert all(name in done.stderr for name in LABS)


def test_a_lab_gets_its_workbench_and_leaves_its_page(labs, tmp_path):
    done = training("lab", "second", "--to", tmp_path, "--small", "--picture", "x.png", "--data", "d")

    assert done.exit_code == 0, done.output
    assert "second holds." in done.stdout
    (bench,) = labs
    assert (bench.folder, bench.small, bench.picture, bench.data) == (
        tmp_path / "second", True, Path("x.png"), Path("d")
    )  # fmt: skip
    assert (tmp_path / "second.md").read_text().startswith("# second\n\n> A claim.\n")
    assert not (tmp_path / "first.md").exists()


def test_course_runs_all_and_writes_an_index(labs, tmp_path):
    done = training("course", "--to", tmp_path)

    assert done.exit_code == 0, done.output
    assert [bench.folder.name for bench in labs] == ["first", "second"]
    index = (tmp_path / "README.md").read_text()
    assert index.startswith("# The course")
    assert index.endswith("- [first](first.md): what first shows\n- [second](second.md): what second shows\n")
    assert {path.name for path in tmp_path.iterdir()} == {"README.md", "first.md", "second.md"}


@pytest.mark.parametrize("name", LABS)
def test_every_lab_has_its_module(name):
    lab = LABS[name]

    assert lab.name == name
    spec = find_spec(lab.module)
    assert spec is not None
    assert spec.origin is not None
    assert "def run(workbench: Workbench) -> Page:" in Path(spec.origin).read_text()
