"""The parts of a GPU check, each in a process and an environment of its own.

A crash of one therefore does not affect the others.
"""

import json
import re
import statistics
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from loadtests.gpu.report import Check, Speed
from loadtests.server import REPO, SERVING
from loadtests.subprocesses import (
    CommandError,
    UnavailableError,
    last_line,
    output,
    require_modules,
    run,
    timed_output,
)
from loadtests.users.stage_stats import StageStats

DEV_PYTHON = Path(sys.executable)
"""This process runs in the environment that loads and trains."""

TRAINED_MODEL = "digits-cnn"

MIN_FRACTION_OF_BARE = {"cuda": 0.9, "cpu": 0.5}
"""Least fraction of a bare session's best pictures/s that the service's session has to reach. On a CPU, which
other programs use too, only a gross loss is a failure."""

SERVING_MODULES = ("bentoml", "cv2", "numpy", "onnxruntime", "PIL", "pillow_heif", "pydantic_settings")
LOAD_MODULES = ("locust", "matplotlib")
TRAINING_MODULES = (
    "torch", "torchvision", "torchmetrics", "onnx", "onnxscript", "mlflow", "typer", "rich",
)  # fmt: skip

TRAINING_DATA = ("mnist", "fashion-mnist")
"""The data sets that TRAINED_MODEL and its familiarity learn from."""

EPOCH_LINE = re.compile(rf"{TRAINED_MODEL}\s+epoch (\d+)/\d+")
"""The line that training prints after each epoch; a second training counts from 1 again."""


def check_session(model: str, device: str, seconds: float) -> list[Check]:
    """Run one model in the service's session, beside a bare one.

    Args:
        model: Name in the zoo.
        device: cuda or cpu.
        seconds: Length of each measurement.

    Raises:
        UnavailableError: The serving environment is incomplete.
        CommandError: The probe failed.
    """
    require_modules(SERVING / "python", SERVING_MODULES)
    probe = [SERVING / "python", "-m", "loadtests.gpu.engine_probe", model, "--device", device]
    probed = json.loads(output([*probe, "--seconds", str(seconds)]))
    differ, allowed = probed["difference"], probed["tolerance"]
    speeds = tuple(Speed(**speed) for speed in probed["speeds"])
    ours, bare = max(speed.service for speed in speeds), max(speed.bare for speed in speeds)
    least = MIN_FRACTION_OF_BARE[device]
    return [
        check_provider(model, device, probed),
        Check(
            model, "answers equal the CPU's", "pass" if differ <= allowed else "fail",
            f"differ by {differ:.1g} at most, {allowed:g} allowed",
        ),
        Check(
            model, "pictures/s", "pass" if ours >= least * bare else "fail",
            f"{ours:,.0f} at best, {ours / bare:.0%} of a bare session's best; {least:.0%} asked", speeds,
        ),
    ]  # fmt: skip


def check_provider(model: str, device: str, probed: dict[str, Any]) -> Check:
    """Check by onnxruntime's profile that all matrix products ran on the device."""
    nodes: dict[str, list[str]] = probed["nodes"]
    wanted = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}[device]
    ran, total = len(nodes.get(wanted, [])), sum(map(len, nodes.values()))
    elsewhere = {op for name, ops in nodes.items() if name != wanted for op in ops}
    heavy = sorted(op for op in elsewhere if any(word in op for word in ("Conv", "Gemm", "MatMul")))
    passed = probed["device"] == device and ran > 0 and not heavy
    figure = f"{ran} of {total} nodes on {wanted}, onnxruntime {probed['onnxruntime']}"
    figure += "".join(f"; {op} elsewhere" for op in heavy)
    return Check(model, "provider", "pass" if passed else "fail", figure)


def check_http(device: str, seconds: float, users: int, folder: Path) -> list[Check]:
    """Load the service steadily; locust's report is written to folder.

    Raises:
        UnavailableError: The serving or the development environment is incomplete.
        CommandError: The load test left no statistics.
    """
    require_modules(SERVING / "python", SERVING_MODULES)
    require_modules(DEV_PYTHON, LOAD_MODULES)
    html = folder / "gpu_check-http.html"
    load = [DEV_PYTHON, "-m", "loadtests", "--users", str(users), "--seconds", f"{max(seconds, 2):.0f}"]
    completed = run([*load, "--report", html], GLIMPSE_DEVICE=device)
    measured = html.with_suffix(".json")
    if not measured.exists():
        raise CommandError(last_line(completed))
    (stage,) = (StageStats(**stage) for stage in json.loads(measured.read_text()))
    figure = (
        f"{stage.requests_per_s:,.0f} requests/s of {users} users on the same machine, nine digits to one"
        f" car; p50 {stage.p50_ms or 0:.0f} ms, p95 {stage.p95_ms or 0:.0f} ms; {stage.failed} failed"
    )
    if completed.returncode:
        figure = f"{stage.failure_reason() or last_line(completed)}; {figure}"
    return [Check("service", "load over HTTP", "fail" if completed.returncode else "pass", figure)]


def check_training(device: str, epochs: int | None, folder: Path) -> list[Check]:
    """Train digits-cnn into folder.

    Args:
        device: cuda or cpu.
        epochs: Of its first training; None for those of its recipe, 0 for no training.
        folder: Gets the runs and a zoo of its own.

    Raises:
        UnavailableError: No training was asked for, or the environment or the data are incomplete.
        CommandError: Training failed, or torch sees no GPU.
    """
    if epochs == 0:
        raise UnavailableError(
            "not asked for; --train-epochs N asks, an hour for all of them on two cores"
        )  # fmt: skip
    require_modules(DEV_PYTHON, TRAINING_MODULES)
    missing = [name for name in TRAINING_DATA if not (REPO / "data" / f"{name}.npz").exists()]
    if missing and run([DEV_PYTHON, "-m", "training", "fetch", *missing]).returncode:
        names = ", ".join(missing)
        raise UnavailableError(f"no {names}; `python -m training fetch`, or copy data/ from elsewhere")
    # torch takes the GPU it sees.
    visible = {"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}
    source = "import torch; print(torch.__version__, torch.cuda.is_available())"
    version, sees_gpu = output([DEV_PYTHON, "-c", source], **visible).split()
    if device == "cuda" and sees_gpu != "True":
        raise CommandError(f"torch {version} sees no GPU")
    # A folder apart: neither the served models nor a training that may be resumed is touched.
    runs = folder / "gpu_check"
    train = [DEV_PYTHON, "-m", "training", "train", TRAINED_MODEL, "--zoo", runs / "zoo", "--runs", runs]
    began_at = time.monotonic()
    lines, failed = timed_output([*train, *(["--epochs", str(epochs)] if epochs else [])], **visible)
    took_s = time.monotonic() - began_at
    last = lines[-1][1] if lines else "training failed without any output"
    if failed and not (epochs and "its floor is" in last):
        raise CommandError(last)
    each = epoch_seconds(lines)
    figure = f"{took_s:,.0f} s with data and export, torch {version}"
    figure += f"; {statistics.median(each):.1f} s an epoch (median of {len(each)})" if each else ""
    figure += f"; {epochs} epochs are too few for its floors, so no file" if failed else ""
    return [Check(TRAINED_MODEL, "training", "pass", figure)]


def epoch_seconds(lines: Sequence[tuple[float, str]]) -> list[float]:
    """The seconds of each epoch that follows another.

    Args:
        lines: Output of training, each line after the second it arrived at.
    """
    ends = [(second, int(match[1])) for second, line in lines if (match := EPOCH_LINE.search(line))]
    return [end - start for (start, previous), (end, epoch) in pairwise(ends) if epoch > previous]
