"""The command line itself: help, what it imports at its start, which errors it expects."""

import subprocess
import sys
from importlib import import_module

import pytest
import typer
from typer.testing import CliRunner, Result

from loadtests.server import REPO
from training.__main__ import app
from training.cli.console import EXPECTED, is_expected

pytestmark = pytest.mark.slow

COMMANDS = sorted(typer.main.get_command(app).commands)


def training(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    done = training(command, "--help")

    assert done.exit_code == 0
    assert command in done.stdout


def test_help_lists_every_command():
    done = training("--help")

    assert done.exit_code == 0
    assert all(command in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("arguments", [["--help"], ["lab"], ["train", "--help"]], ids=" ".join)
def test_what_takes_seconds_to_import_is_imported_by_the_commands_that_need_it(arguments):
    code = (
        "import sys; from typer.testing import CliRunner; from training.__main__ import app;"
        f"assert CliRunner().invoke(app, {arguments}).exit_code == 0;"
        "print(sorted({'torch', 'mlflow', 'matplotlib', 'sklearn', 'wandb'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_expected_errors_are_there_under_their_names(name):
    module, _, error = name.rpartition(".")
    kind = getattr(import_module(module), error)

    assert is_expected(kind("because"))
    assert is_expected(type("Derived", (kind,), {})("because"))
    assert not is_expected(ValueError("because"))


def test_openmp_threads_sleep_while_idle():
    """Set before torch is imported, unless the user has set it."""
    code = "import os, training; print(os.environ['OMP_WAIT_POLICY'], 'torch' in __import__('sys').modules)"
    for environment, policy in (({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=REPO,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == [policy, "False"]
