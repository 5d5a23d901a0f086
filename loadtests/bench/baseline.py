"""`.venv/bin/python -m loadtests.bench.baseline MODEL FILE...`: a bare loop, no server around.

Decodes one file after the other, makes its view and runs the session on it, in as many processes at once as
asked for. Runs in the serving environment and prints JSON: pictures per second of all processes together, the
CPU time of a picture and the median time that one takes.
"""

import argparse
import json
import multiprocessing
import statistics
import time
from dataclasses import dataclass
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Barrier

import cv2
import onnxruntime as ort

from models.image.decode import open_picture
from models.model import ZOO, open_model

WARM_UP_PICTURES = 3

READY_WITHIN_S = 60.0
"""For every process to open its model, on a busy machine."""


@dataclass(frozen=True)
class Share:
    """What one process did."""

    pictures: int
    wall_s: float
    cpu_s: float
    median_s: float


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--processes", type=int, default=1, help="how many at once")
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    pictures = [path.read_bytes() for path in options.files]
    # A session must not be forked: each process opens its own.
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(options.processes)
    ends, processes = [], []
    for _ in range(options.processes):
        end, other_end = context.Pipe(duplex=False)
        process = context.Process(
            target=_loop, args=(options.model, pictures, options.seconds, start, other_end)
        )
        process.start()
        other_end.close()  # so that the end of the process is seen here
        ends.append(end)
        processes.append(process)
    shares: list[Share] = [end.recv() for end in ends]
    for process in processes:
        process.join()
    print(json.dumps({
        "requests_per_s": sum(share.pictures / share.wall_s for share in shares),
        "cpu_ms": 1e3 * sum(share.cpu_s for share in shares) / sum(share.pictures for share in shares),
        "p50_ms": 1e3 * statistics.median(share.median_s for share in shares),
    }))  # fmt: skip


def _loop(model_name: str, pictures: list[bytes], seconds: float, start: Barrier, end: Connection) -> None:
    """Work for so many seconds from the moment that all processes are ready."""
    cv2.setNumThreads(1)
    session = ort.SessionOptions()
    session.intra_op_num_threads = 1
    model = open_model(ZOO / f"{model_name}.onnx", options=session)
    view = model.card.view

    def predict(data: bytes) -> None:
        model(view(open_picture(data, view.shorter_side))[None])

    for data in pictures[:WARM_UP_PICTURES]:
        predict(data)
    durations = []
    in_turn = cycle(pictures)
    start.wait(READY_WITHIN_S)
    began_at, cpu_before = time.perf_counter(), time.process_time()
    while (now := time.perf_counter()) < began_at + seconds:
        predict(next(in_turn))
        durations.append(time.perf_counter() - now)
    cpu_s, wall_s = time.process_time() - cpu_before, time.perf_counter() - began_at
    end.send(Share(len(durations), wall_s, cpu_s, statistics.median(durations)))


if __name__ == "__main__":
    main()
