"""`.venv/bin/python -m loadtests.gpu.engine_probe MODEL`: one model as the service runs it, beside a bare
onnxruntime session on the same file and device.

Runs where the service does, in its environment, and prints JSON. The only module here that imports the
service: what it measures can be asked for in no other way.
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
"""Each side is timed so many times, in turns, and the best counts: a neighbour's work slows both."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--device", choices=("cpu", "cuda"), required=True)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each side at each batch size")
    options = parser.parse_args()
    path = ZOO / f"{options.model}.onnx"
    device, (model,) = open_models([path], Settings(device=options.device))
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
    """The operators that each provider really ran, from onnxruntime's own profile of one run.

    A session can list a provider and run its nodes elsewhere.
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
    """The largest between two models' answers: relative to the answer itself for prices, to
    max(1, |answer|) otherwise, as the card's tolerance is meant."""
    answers: Outputs = cpu(pixels)
    differences = []
    for name, now in model(pixels).items():
        floor = 0.0 if name in ("value", "low", "high") else 1.0
        differences.append(np.abs(now - answers[name]) / np.maximum(np.abs(answers[name]), floor))
    return float(np.max([difference.max() for difference in differences]))  # NaN where there is one


def _speeds(
    ours: Callable[[Pixels], object],
    in_flight: int,
    bare: Callable[[Pixels], object],
    golden: Pixels,
    seconds: float,
) -> list[dict[str, float]]:
    """Pictures/s of both at each batch size, up to the first of which one batch takes too long.

    in_flight: batches that the engine runs at once; the bare session runs one, with all the threads it
    takes by default.
    """
    speeds: list[dict[str, float]] = []
    for batch in BATCHES:
        if speeds and batch / speeds[-1]["bare"] > seconds:
            break
        pixels = np.resize(golden, (batch, *golden.shape[1:]))
        sides = ((ours, in_flight), (bare, 1))
        for call, _ in sides:
            call(pixels)  # the first run of a shape sets up memory and chooses kernels
        turns = [[_rate(*side, pixels, seconds / ROUNDS) for side in sides] for _ in range(ROUNDS)]
        speeds.append({"batch": batch, "ours": max(o for o, _ in turns), "bare": max(b for _, b in turns)})
    return speeds


def _rate(call: Callable[[Pixels], object], at_once: int, pixels: Pixels, seconds: float) -> float:
    """Pictures/s, `at_once` calls at a time."""
    start = time.perf_counter()

    def again_and_again() -> int:
        done = 0
        while time.perf_counter() - start < seconds:
            call(pixels)
            done += len(pixels)
        return done

    with ThreadPoolExecutor(at_once) as callers:
        done = sum(callers.map(lambda _: again_and_again(), range(at_once)))
    return done / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
