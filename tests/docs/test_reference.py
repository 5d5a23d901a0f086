"""Lists in the docs name what the code has: settings, metrics, commands, versions, checks."""

import re
import tomllib
from pathlib import Path

import pytest
import typer

from loadtests.server import REPO
from service.monitoring import metrics
from service.monitoring.drift_collector import DriftCollector
from service.settings import Settings
from training.__main__ import app

PYPROJECT = tomllib.loads((REPO / "pyproject.toml").read_text())
ROW = re.compile(r"^\| `([A-Z_]+)` \| ([^|]+) \|", re.MULTILINE)
SETTINGS = dict(ROW.findall((REPO / "docs" / "settings.md").read_text()))
OPERATIONS = (REPO / "docs" / "operations.md").read_text()
TRAINING = (REPO / "docs" / "training.md").read_text()
MAKEFILE = (REPO / "Makefile").read_text()


def shown(default: object) -> str:
    """A default as the table of settings begins it; empty where it stands there in words."""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, int | float):
        for unit, size in (("GiB", 2**30), ("MiB", 2**20)):
            if default and default % size == 0:
                return f"{default // size:g} {unit}"
        return f"{default:g}" if default < 10_000 else str(default)
    if isinstance(default, Path):
        return f"`{default.relative_to(REPO)}`"
    return f"`{default}`" if isinstance(default, str) and default else ""


def test_settings_are_listed():
    assert set(SETTINGS) == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - {"decoders", "workers"}))
def test_defaults_of_settings_are_listed(name):
    assert SETTINGS[name.upper()].startswith(shown(Settings.model_fields[name].default))


def test_settings_have_a_word_of_explanation():
    source = (REPO / "service" / "settings.py").read_text()
    for name in Settings.model_fields:
        after = source.partition(f"    {name}:")[2]
        assert '"""' in after[:200], name


def test_metrics_are_listed():
    listed = {name.removesuffix("_total") for name in re.findall(r"`(glimpse_\w+)", OPERATIONS)}

    drift = {family.name for family in DriftCollector(dict).collect()}
    assert listed == {family.name for family in metrics.REGISTRY.collect()} | drift


def test_commands_of_training_are_listed():
    commands = typer.main.get_command(app).commands
    options = {option for command in commands.values() for parameter in command.params
               for option in parameter.opts}  # fmt: skip

    assert set(re.findall(r"^\| `(\w+)` \|.+$", TRAINING.partition("\n## ")[0], re.MULTILINE)) == set(
        commands
    )
    assert set(re.findall(r"--[a-z][a-z-]+", TRAINING)) <= options


@pytest.mark.parametrize("package", ["models", "training", "service"])
def test_floors_are_in_the_plan(package):
    plan = (REPO / "docs" / "architecture.md").read_text().partition(f"\n### {package}/\n")[2]
    contract = next(
        one for one in PYPROJECT["tool"]["importlinter"]["contracts"] if one.get("containers") == [package]
    )
    floors = {name.strip() for layer in contract["layers"] for name in layer.split("|")}

    assert floors <= set(re.findall(r"\w+", plan.partition("\n#")[0]))


def test_version_has_its_section_in_the_changelog():
    version = PYPROJECT["project"]["version"]
    sections = re.findall(r"^## (\S+)(?: - (\d{4}-\d\d-\d\d))?$", (REPO / "CHANGELOG.md").read_text(), re.M)

    assert sections[0] == ("Unreleased", "")
    assert sections[1][0] == version
    assert all(date for _, date in sections[1:])


def test_hooks_run_what_make_check_runs():
    hooks = re.findall(r"entry: make ([\w-]+)", (REPO / ".pre-commit-config.yaml").read_text())
    checks = re.search(r"^check: (.+?)  ##", MAKEFILE, re.MULTILINE)

    assert checks
    assert hooks == checks[1].split()


def test_public_targets_have_a_line_of_help():
    targets = set(re.findall(r"^([a-z]+(?:-[a-z]+)*):", MAKEFILE, re.MULTILINE))
    helped = set(re.findall(r"^([a-z-]+):.*  ## ", MAKEFILE, re.MULTILINE))

    assert {target for target in targets - helped if not target.startswith("check-")} == set()
