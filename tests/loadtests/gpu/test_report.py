"""The report of the GPU check, and the whole check on a CPU."""

import pytest

from loadtests.gpu.__main__ import run_part
from loadtests.gpu.report import Check, Speed, render
from loadtests.subprocesses import CommandError, UnavailableError
from tests.loadtests.gpu.test_checks import gpu_check

pytestmark = pytest.mark.bench

MACHINE = {"CPU": "a|b, 2 cores", "GPU": "none"}
SPEEDS = (Speed(1, 900.0, 1000.0), Speed(64, 2500.0, 2000.0))
CHECKS = [
    Check("digits-mlp", "pictures/s", "pass", "2,500 at best", SPEEDS),
    Check("cars-mlp", "pictures/s", "fail", "80 at best", (Speed(1, 80.0, 100.0),)),
    Check("digits-cnn", "training", "not run", "torch not installed"),
]


def test_report_counts_checks():
    page = render("cuda", MACHINE, CHECKS)

    assert page.startswith("# GPU check\n")
    assert "2 of 3 checks ran, 1 failed." in page
    assert "| digits-cnn | training | not run | torch not installed |" in page
    assert "| CPU | a\\|b, 2 cores |" in page


def test_report_lists_speeds_by_batch():
    page = render("cuda", MACHINE, CHECKS)

    assert "| model | 1 | 64 |" in page
    assert "| digits-mlp | 900 / 1,000 (90%) | 2,500 / 2,000 (125%) |" in page
    assert "| cars-mlp | 80 / 100 (80%) | - |" in page


def test_report_of_a_cpu_names_it():
    assert "says nothing about a GPU" in render("cpu", MACHINE, []).splitlines()[0]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(UnavailableError("no torch"), "not run"), (CommandError("no torch"), "fail")],
    ids=["unavailable", "failed"],
)
def test_problems_become_lines_of_the_report(error, outcome):
    def part() -> list[Check]:
        raise error

    assert run_part("digits-cnn", "training", part) == [Check("digits-cnn", "training", outcome, "no torch")]


@pytest.mark.slow
def test_check_on_the_cpu(tmp_path):
    """How fast the CPU is decides two of the checks, so their outcome is not asserted."""
    report = tmp_path / "report.md"
    completed = gpu_check(
        "--device", "cpu", "--models", "digits-mlp", "--seconds", "0.5", "--users", "2",
        "--report", str(report),
    )  # fmt: skip

    assert "CPU run" in completed.stdout
    page = report.read_text()
    assert "| digits-mlp | provider | pass |" in page
    assert "nodes on CPUExecutionProvider" in page
    assert "| digits-mlp | answers equal the CPU's | pass |" in page
    assert "| digits-mlp | pictures/s | " in page
    assert " requests/s of 2 users on the same machine" in page
    assert "| digits-cnn | training | not run |" in page
    assert "4 of 5 checks ran" in page
    assert completed.returncode == ("| fail |" in page)
