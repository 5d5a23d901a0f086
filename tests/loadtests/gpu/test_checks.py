"""The GPU check: provider, training times, missing parts; all of it on a GPU."""

import shutil
import subprocess
import sys

import pytest

from loadtests.gpu.checks import DEV_PYTHON, check_provider, check_training, epoch_seconds
from loadtests.server import REPO
from loadtests.subprocesses import UnavailableError, require_modules

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def gpu_check(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loadtests.gpu", *options],
        cwd=REPO, capture_output=True, text=True, timeout=900,
    )  # fmt: skip


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
def test_provider_is_judged_by_the_work_it_ran(nodes, device, outcome):
    check = check_provider("digits-cnn", "cuda", {"device": device, "nodes": nodes, "onnxruntime": "1"})

    assert check.outcome == outcome


def test_epochs_are_timed_from_end_to_end():
    lines = [
        (10.0, "digits-cnn  epoch 1/3  loss 0.5"),
        (14.0, "digits-cnn  epoch 2/3  loss 0.4"),
        (14.1, "something else"),
        (18.5, "digits-cnn  epoch 3/3  loss 0.3"),
        (60.0, "digits-cnn  epoch 1/2  loss 0.3"),
        (65.0, "digits-cnn  epoch 2/2  loss 0.3"),
    ]

    assert epoch_seconds(lines) == [4.0, 4.5, 5.0]


def test_zero_epochs_are_not_run(tmp_path):
    with pytest.raises(UnavailableError, match="--train-epochs"):
        check_training("cpu", 0, tmp_path)


def test_missing_modules_are_named_with_the_remedy(tmp_path):
    with pytest.raises(UnavailableError, match=r"no environment .*make gpu-check"):
        require_modules(tmp_path / "bin" / "python", ("torch",))
    with pytest.raises(UnavailableError, match=r"nothing_like_it not installed .*make gpu-check"):
        require_modules(DEV_PYTHON, ("json", "nothing_like_it"))


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nvidia-smi") is None, reason="no nvidia-smi here")
def test_check_on_the_gpu(tmp_path):
    report = tmp_path / "report.md"
    completed = gpu_check(
        "--device", "cuda", "--seconds", "1", "--train-epochs", "1", "--report", str(report)
    )  # fmt: skip

    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert "not run" not in report.read_text()
