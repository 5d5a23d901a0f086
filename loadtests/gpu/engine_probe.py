"""`.venv/bin/python -m loadtests.gpu.engine_probe MODEL`: one session, probed.

Compares the service's session of a model with a bare onnxruntime session on the same file and device. Runs
in the serving environment and prints JSON. It is the only module here that imports the service: no HTTP call
times its sessions.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort

from models.card import Outputs
from models.image.views import Pixels
from models.model import ZOO, Model, Providers, open_model
from service.inference.device import batches_in_flight
from service.inference.session import open_models
from service.settings import Settings

BATCHES = (1, 8, 64, 256)

ROUNDS = 5
"""Both sessions are timed as often, in turns, and the best counts: other work on the machine slows both."""


def main() -> None:
    """Print the nodes, differences and speeds of one model as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--device", choices=("cpu", "cuda"), required=True)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each session at each batch size")
    options = parser.parse_args()
    path = ZOO / f"{options.model}.onnx"
    opened = open_models([path], Settings(device=options.device))
    device, (model,) = opened.device, opened.models
    golden = model.card.golden.unpack()
    print(json.dumps({
        "onnxruntime": ort.__version__,
        "device": device.name,
        "nodes": _nodes(path, device.providers, golden),
        "tolerance": model.card.golden.tolerance,
        "difference": _difference(model, open_model(path), _variations(golden)),
        "speeds": _speeds(
            model, batches_in_flight(device), _bare(path, device.providers), golden, options.seconds
        ),
    }))  # fmt: skip


def _bare(path: Path, providers: Providers) -> Callable[[Pixels], object]:
    session = ort.InferenceSession(path, providers=list(providers))
    return lambda pixels: session.run(None, {"pixels": pixels})


def _nodes(path: Path, providers: Providers, pixels: Pixels) -> dict[str, list[str]]:
    """The operators that each provider ran, by onnxruntime's own profile of one run.

    The provider list of a session does not tell: it may run nodes elsewhere.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder, "profile"))
        session = ort.InferenceSession(path, options, providers=list(providers))
        session.run(None, {"pixels": pixels})
        events = json.loads(Path(session.end_profiling()).read_text())
    ran: dict[str, list[str]] = {}
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
            ran.setdefault(event["args"]["provider"], []).append(event["args"]["op_name"])
    return ran


def _variations(golden: Pixels) -> Pixels:
    """The golden pictures, mirrored, upside down and at half their brightness as well."""
    return np.concatenate([golden, golden[:, :, ::-1], golden[:, ::-1], golden // 2])


def _difference(model: Model, cpu: Model, pixels: Pixels) -> float:
    """The largest difference between the outputs of two models.

    Relative to the output itself for prices and to max(1, |output|) otherwise, like the card's tolerance.
    """
    expected: Outputs = cpu(pixels)
    differences = []
    for name, actual in model(pixels).items():
        floor = 0.0 if name in ("value", "low", "high") else 1.0
        differences.append(np.abs(actual - expected[name]) / np.maximum(np.abs(expected[name]), floor))
    return float(np.max([difference.max() for difference in differences]))  # NaN where any is NaN


def _speeds(
    service: Callable[[Pixels], object],
    in_flight: int,
    bare: Callable[[Pixels], object],
    golden: Pixels,
    seconds: float,
) -> list[dict[str, float]]:
    """Pictures/s of both sessions at each batch size.

    Ends at the first size of which one batch takes longer than a measurement.

    Args:
        service: The session of the service.
        in_flight: Batches that the engine runs at the same time; the bare session runs one, with its
            default number of threads.
        bare: The bare session.
        golden: Pictures that the batches are made of.
        seconds: Length of one measurement.
    """
    speeds: list[dict[str, float]] = []
    for batch in BATCHES:
        if speeds and batch / speeds[-1]["bare"] > seconds:
            break
        pixels = np.resize(golden, (batch, *golden.shape[1:]))
        sides = ((service, in_flight), (bare, 1))
        for call, _ in sides:
            call(pixels)  # the first run of a shape sets up memory and chooses kernels
        turns = [[_rate(*side, pixels, seconds / ROUNDS) for side in sides] for _ in range(ROUNDS)]
        speeds.append({
            "batch": batch, "service": max(rate for rate, _ in turns), "bare": max(rate for _, rate in turns),
        })  # fmt: skip
    return speeds


def _rate(call: Callable[[Pixels], object], concurrency: int, pixels: Pixels, seconds: float) -> float:
    """Pictures/s of concurrent calls."""
    start = time.perf_counter()

    def call_repeatedly() -> int:
        done = 0
        while time.perf_counter() - start < seconds:
            call(pixels)
            done += len(pixels)
        return done

    with ThreadPoolExecutor(concurrency) as callers:
        done = sum(callers.map(lambda _: call_repeatedly(), range(concurrency)))
    return done / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
