"""`python -m loadtests.doors`: what /v2 costs beside /classify, and a tensor beside a bare session.

Needs wrk. Prints two tables for docs/benchmarks.md: the CPU time of all the server's processes for a picture
that is sent raw to /classify, and as tritonclient does to /v2; and the pictures per second where 64 are one
tensor, beside one process that runs a session on such batches. Rounds are interleaved: figures of a shared
machine differ more between minutes than between doors.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime as ort

from loadtests import machine
from loadtests.bench.load.closed_loop import closed_loop
from loadtests.bench.load.payloads import Body, raw_body
from loadtests.bench.processes import MARK, CpuTime
from loadtests.markdown_table import markdown_table
from loadtests.pictures import Upload, digits
from loadtests.server import serving
from models.image.views import Pixels
from models.model import ZOO, open_model

MODEL = "digits-cnn"
INFER = f"/v2/models/{MODEL}/infer"

BATCH, TENSOR_CONNECTIONS = 64, 2
"""Pictures in a tensor; two of them at a time, so that a worker always has a next one."""

HEAD_BYTES = 256
"""Of the JSON before the data, filled up with spaces: all bodies of a run have the same headers."""

Figures = tuple[float, float]
"""Pictures per second, and CPU milliseconds per picture."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3, help="of each load")
    parser.add_argument("--connections", type=int, default=16, help="with single pictures")
    options = parser.parse_args()
    mark = f"doors-{os.getpid()}"
    uploads = digits(MODEL)
    raw, framed = [raw_body(one) for one in uploads], [triton_body(one) for one in uploads]
    pixels = np.concatenate([open_model(ZOO / f"{MODEL}.onnx").card.golden.unpack()] * BATCH)[:BATCH]
    head = {"name": "pixels", "shape": pixels.shape, "datatype": "UINT8"}

    with tempfile.TemporaryDirectory(prefix="doors-") as scratch:

        def load(url: str, bodies: Sequence[Body], connections: int, pictures: int = 1) -> Figures:
            with CpuTime(mark) as cpu:
                result = closed_loop(url, bodies, connections, options.seconds, Path(scratch))
            if result.failures:
                raise SystemExit(f"{url}: {result.failures} requests failed")
            return pictures * result.requests_per_s, 1e3 * cpu.seconds / result.answers / pictures

        with server(Path(scratch), mark) as url, server(Path(scratch), mark, workers="1") as single:
            tensor = [binary_body(head, pixels.tobytes())]
            singles = in_turn(options.rounds, {
                "/classify, raw": lambda: load(f"{url}/classify", raw, options.connections),
                "/v2, tritonclient's form": lambda: load(url + INFER, framed, options.connections),
            })  # fmt: skip
            tensors = in_turn(options.rounds, {
                "session, one process": lambda: bare(pixels, options.seconds),
                "/v2, one worker": lambda: load(single + INFER, tensor, TENSOR_CONNECTIONS, BATCH),
                "/v2, as it comes": lambda: load(url + INFER, tensor, TENSOR_CONNECTIONS, BATCH),
            })  # fmt: skip
    facts = machine.facts()
    print(f"{facts['CPU']}; {facts['date']}, commit {facts['commit']}; {options.rounds} rounds of")
    print(
        f"{options.seconds} s; {options.connections} connections, then {TENSOR_CONNECTIONS} to one worker.\n"
    )
    report(singles, "at most 1.15 of the CPU time")
    report(tensors, "at least 0.9 of the pictures per second")


def in_turn(rounds: int, loads: dict[str, Callable[[], Figures]]) -> dict[str, list[Figures]]:
    """The figures of each load, one of each in every round; a first round warms up and does not count."""
    figures = [{name: load() for name, load in loads.items()} for _ in range(rounds + 1)][1:]
    return {name: [one[name] for one in figures] for name in loads}


def report(figures: dict[str, list[Figures]], goal: str) -> None:
    """Print a table of loads, with the ratios of each to the first, round by round."""
    first, rows = next(iter(figures.values())), []
    for name, rounds in figures.items():
        ratios = [np.divide(own, other) for own, other in zip(rounds, first, strict=True)]
        rows.append(
            [name, *(spread(values) for pairs in (rounds, ratios) for values in zip(*pairs, strict=True))]
        )
    print(markdown_table(["", "pictures/s", "CPU ms a picture", "ratio of pictures/s", "ratio of CPU"], rows))
    print(f"\nGoal: {goal}.\n")


def spread(values: Sequence[float]) -> str:
    """Median, least and greatest."""
    form = ",.0f" if max(values) > 100 else ".3f"
    return f"{statistics.median(values):{form}} ({min(values):{form}}, {max(values):{form}})"


def triton_body(upload: Upload) -> Body:
    """One picture as tritonclient sends it where nothing else is asked for: binary, in and out."""
    data = len(upload.content).to_bytes(4, "little") + upload.content
    return binary_body({"name": "picture", "shape": [1], "datatype": "BYTES"}, data)


def binary_body(tensor: dict[str, object], data: bytes) -> Body:
    """A request of the binary extension with this one input."""
    described = tensor | {"parameters": {"binary_data_size": len(data)}}
    head = json.dumps({"inputs": [described], "parameters": {"binary_data_output": True}}).encode()
    headers = {"Inference-Header-Content-Length": str(HEAD_BYTES)}
    return Body(head.ljust(HEAD_BYTES) + data, "application/octet-stream", headers)


def bare(pixels: Pixels, seconds: float) -> Figures:
    """A session of one thread on the same batch, over and over."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    model = open_model(ZOO / f"{MODEL}.onnx", options=options)
    began, cpu, runs = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() < began + seconds:
        model(pixels)
        runs += 1
    pictures = runs * len(pixels)
    return pictures / (time.perf_counter() - began), 1e3 * (time.process_time() - cpu) / pictures


@contextmanager
def server(scratch: Path, mark: str, **settings: str) -> Iterator[str]:
    """The service with this one model, its processes marked."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    shutil.copy(ZOO / f"{MODEL}.onnx", folder)
    os.environ[MARK] = mark
    # A machine that others use too stalls; what then would be refused is measured all the same.
    with serving(folder, folder / "log", target_ms="10000", **settings) as url:
        del os.environ[MARK]  # the load's own processes are none of the server's
        yield url


if __name__ == "__main__":
    main()
