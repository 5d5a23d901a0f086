"""The parts of a GPU check. Each runs in a process of its own, in the environment it is meant for, so
that one that breaks leaves the others be."""

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
from loadtests.subprocesses import Broken, Missing, last_line, need, output, run, timed
from loadtests.users.stage_stats import Measured

DEV_PYTHON = Path(sys.executable)
"""This process is in the environment that loads and trains."""

TRAINED = "digits-cnn"

GOALS = {"cuda": 0.9, "cpu": 0.5}
"""Of a bare session's most pictures/s, the share that the service's must reach. On a CPU, which other
programs use too, only a gross loss is a failure."""

SERVES = ("bentoml", "cv2", "numpy", "onnxruntime", "PIL", "pillow_heif", "pydantic_settings")
LOADS = ("locust", "matplotlib")
TRAINS = ("torch", "torchvision", "torchmetrics", "onnx", "onnxscript", "mlflow", "typer", "rich")
"""Modules without which a part cannot run."""

DATA_SETS = ("mnist", "fashion-mnist")
"""What TRAINED learns from, and its familiarity."""

EPOCH = re.compile(rf"{TRAINED}\s+epoch (\d+)/\d+")
"""What training says after each epoch; a second training counts from 1 again."""


def session(model: str, device: str, seconds: float) -> list[Check]:
    """One model in the service's session, beside a bare one. seconds: of each measurement.

    Raises Missing or Broken.
    """
    need(SERVING / "python", SERVES)
    probe = [SERVING / "python", "-m", "loadtests.gpu.engine_probe", model, "--device", device]
    found = json.loads(output([*probe, "--seconds", str(seconds)]))
    differ, allowed = found["difference"], found["tolerance"]
    speeds = tuple(Speed(**speed) for speed in found["speeds"])
    ours, bare = max(speed.ours for speed in speeds), max(speed.bare for speed in speeds)
    goal = GOALS[device]
    return [
        provider(model, device, found),
        Check(
            model, "answers equal the CPU's", "pass" if differ <= allowed else "fail",
            f"differ by {differ:.1g} at most, {allowed:g} allowed",
        ),
        Check(
            model, "pictures/s", "pass" if ours >= goal * bare else "fail",
            f"{ours:,.0f} at best, {ours / bare:.0%} of a bare session's best; {goal:.0%} asked", speeds,
        ),
    ]  # fmt: skip


def provider(model: str, device: str, found: dict[str, Any]) -> Check:
    """By onnxruntime's profile: nothing that multiplies matrices may have run anywhere else."""
    nodes: dict[str, list[str]] = found["nodes"]
    wanted = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}[device]
    ran, total = len(nodes.get(wanted, [])), sum(map(len, nodes.values()))
    elsewhere = {op for name, ops in nodes.items() if name != wanted for op in ops}
    heavy = sorted(op for op in elsewhere if any(word in op for word in ("Conv", "Gemm", "MatMul")))
    passed = found["device"] == device and ran > 0 and not heavy
    figure = f"{ran} of {total} nodes on {wanted}, onnxruntime {found['onnxruntime']}"
    figure += "".join(f"; {op} elsewhere" for op in heavy)
    return Check(model, "provider", "pass" if passed else "fail", figure)


def http(device: str, seconds: float, users: int, folder: Path) -> list[Check]:
    """The service under steady load for so many seconds; its report goes to folder.

    Raises Missing or Broken.
    """
    need(SERVING / "python", SERVES)
    need(DEV_PYTHON, LOADS)
    html = folder / "gpu_check-http.html"
    load = [DEV_PYTHON, "-m", "loadtests", "--users", str(users), "--seconds", f"{max(seconds, 2):.0f}"]
    done = run([*load, "--report", html], GLIMPSE_DEVICE=device)
    measured = html.with_suffix(".json")
    if not measured.exists():
        raise Broken(last_line(done))
    (stage,) = (Measured(**stage) for stage in json.loads(measured.read_text()))
    figure = (
        f"{stage.requests_per_s:,.0f} requests/s of {users} users on the same machine, nine digits to one"
        f" car; p50 {stage.p50_ms or 0:.0f} ms, p95 {stage.p95_ms or 0:.0f} ms; {stage.failed} failed"
    )
    if done.returncode:
        return [Check("service", "load over HTTP", "fail", f"{stage.why_bad() or last_line(done)}; {figure}")]
    return [Check("service", "load over HTTP", "pass", figure)]


def training(device: str, epochs: int | None, folder: Path) -> list[Check]:
    """Train digits-cnn into folder. epochs: of its first training; None for those of its recipe.

    Raises Missing or Broken.
    """
    if epochs == 0:
        raise Missing("not asked for; --train-epochs N asks, an hour for all of them on two cores")
    need(DEV_PYTHON, TRAINS)
    absent = [name for name in DATA_SETS if not (REPO / "data" / f"{name}.npz").exists()]
    if absent and run([DEV_PYTHON, "-m", "training", "fetch", *absent]).returncode:
        raise Missing(f"no {', '.join(absent)}; `python -m training fetch`, or copy data/ from elsewhere")
    # torch takes the GPU it sees.
    shown = {"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}
    asked = "import torch; print(torch.__version__, torch.cuda.is_available())"
    version, sees_gpu = output([DEV_PYTHON, "-c", asked], **shown).split()
    if device == "cuda" and sees_gpu != "True":
        raise Broken(f"torch {version} sees no GPU")
    # Neither the models that are served nor a training that may be resumed is touched.
    place = folder / "gpu_check"
    train = [DEV_PYTHON, "-m", "training", "train", TRAINED, "--zoo", place / "zoo", "--runs", place]
    begun = time.monotonic()
    lines, failed = timed([*train, *(["--epochs", str(epochs)] if epochs else [])], **shown)
    took = time.monotonic() - begun
    said = lines[-1][1] if lines else "not a word"
    if failed and not (epochs and "its floor is" in said):
        raise Broken(said)
    each = epoch_seconds(lines)
    figure = f"{took:,.0f} s with data and export, torch {version}"
    figure += f"; {statistics.median(each):.1f} s an epoch (median of {len(each)})" if each else ""
    figure += f"; {epochs} epochs are too few for its floors, so no file" if failed else ""
    return [Check(TRAINED, "training", "pass", figure)]


def epoch_seconds(lines: Sequence[tuple[float, str]]) -> list[float]:
    """How long each epoch took that came after another. lines: what training said, and when (seconds)."""
    ends = [(when, int(found[1])) for when, line in lines if (found := EPOCH.search(line))]
    return [when - before for (before, last), (when, epoch) in pairwise(ends) if epoch > last]
