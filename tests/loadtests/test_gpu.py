"""The GPU check: its report, its verdicts, and the whole of it on the CPU (and on a GPU where one is)."""

import shutil
import subprocess
import sys

import pytest

from loadtests.gpu import checks as gpu_parts
from loadtests.gpu.__main__ import attempt
from loadtests.gpu.checks import epoch_seconds
from loadtests.gpu.report import Check, Speed, render
from loadtests.server import REPO
from loadtests.subprocesses import Broken, Missing, need

MACHINE = {"CPU": "a|b, 2 cores", "GPU": "none"}
SPEEDS = (Speed(1, 900.0, 1000.0), Speed(64, 2500.0, 2000.0))
CHECKS = [
    Check("digits-mlp", "pictures/s", "pass", "2,500 at best", SPEEDS),
    Check("cars-mlp", "pictures/s", "fail", "80 at best", (Speed(1, 80.0, 100.0),)),
    Check("digits-cnn", "training", "not run", "torch not installed"),
]


def test_the_report_counts_what_ran_and_what_failed():
    page = render("cuda", MACHINE, CHECKS)

    assert page.startswith("# GPU check\n")
    assert "2 of 3 checks ran, 1 failed." in page
    assert "| digits-cnn | training | not run | torch not installed |" in page
    assert "| CPU | a\\|b, 2 cores |" in page


def test_the_report_shows_speeds_by_batch():
    page = render("cuda", MACHINE, CHECKS)

    assert "| model | 1 | 64 |" in page
    assert "| digits-mlp | 900 / 1,000 (90%) | 2,500 / 2,000 (125%) |" in page
    assert "| cars-mlp | 80 / 100 (80%) | - |" in page


def test_a_report_of_a_cpu_says_so():
    assert "says nothing about a GPU" in render("cpu", MACHINE, []).splitlines()[0]


@pytest.mark.parametrize(
    ("error", "outcome"), [(Missing("no torch"), "not run"), (Broken("no torch"), "fail")], ids=str
)
def test_a_part_that_does_not_work_is_a_line_of_the_report(error, outcome):
    def part() -> list[Check]:
        raise error

    assert attempt("digits-cnn", "training", part) == [Check("digits-cnn", "training", outcome, "no torch")]


CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


@pytest.mark.parametrize(
    ("nodes", "device", "outcome"),
    [
        pytest.param({CUDA: ["Conv"]}, "cuda", "pass", id="all"),
        pytest.param({CUDA: ["Conv"], CPU: ["Gather"]}, "cuda", "pass", id="a-small-one-elsewhere"),
        pytest.param({CUDA: ["Relu"], CPU: ["FusedConv"]}, "cuda", "fail", id="the-work-elsewhere"),
        pytest.param({CPU: ["Conv"]}, "cuda", "fail", id="all-elsewhere"),
        pytest.param({CUDA: ["Conv"]}, "cpu", "fail", id="the-service-elsewhere"),
    ],
)
def test_the_provider_in_use_is_the_one_that_ran_the_work(nodes, device, outcome):
    check = gpu_parts.provider("digits-cnn", "cuda", {"device": device, "nodes": nodes, "onnxruntime": "1"})

    assert check.outcome == outcome


def test_epochs_are_timed_from_one_to_the_next():
    said = [
        (10.0, "digits-cnn  epoch 1/3  loss 0.5"),
        (14.0, "digits-cnn  epoch 2/3  loss 0.4"),
        (14.1, "something else"),
        (18.5, "digits-cnn  epoch 3/3  loss 0.3"),
        (60.0, "digits-cnn  epoch 1/2  loss 0.3"),
        (65.0, "digits-cnn  epoch 2/2  loss 0.3"),
    ]

    assert epoch_seconds(said) == [4.0, 4.5, 5.0]


def test_training_that_nobody_asked_for_is_not_run(tmp_path):
    with pytest.raises(Missing, match="--train-epochs"):
        gpu_parts.training("cpu", 0, tmp_path)


def test_what_is_missing_is_named_with_its_remedy(tmp_path):
    with pytest.raises(Missing, match=r"no environment .*make gpu-check"):
        need(tmp_path / "bin" / "python", ("torch",))
    with pytest.raises(Missing, match=r"nothing_like_it not installed .*make gpu-check"):
        need(gpu_parts.DEV_PYTHON, ("json", "nothing_like_it"))


def gpu_check(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loadtests.gpu", *options],
        cwd=REPO, capture_output=True, text=True, timeout=900,
    )  # fmt: skip


@pytest.mark.slow
def test_a_run_on_the_cpu_passes(tmp_path):
    report = tmp_path / "report.md"
    done = gpu_check(
        "--device", "cpu", "--models", "digits-mlp", "--seconds", "1", "--users", "4", "--report", str(report)
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "CPU run" in done.stdout
    page = report.read_text()
    assert "nodes on CPUExecutionProvider" in page
    assert "4 of 5 checks ran, none failed." in page
    assert "| digits-cnn | training | not run |" in page


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nvidia-smi") is None, reason="no nvidia-smi here")
def test_a_run_on_the_gpu_passes(tmp_path):
    report = tmp_path / "report.md"
    done = gpu_check("--device", "cuda", "--seconds", "1", "--train-epochs", "1", "--report", str(report))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "not run" not in report.read_text()
