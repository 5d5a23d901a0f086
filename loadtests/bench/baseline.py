"""`.venv/bin/python -m loadtests.bench.baseline MODEL FILE...`: no server around.

Measures decode, view and session. Runs in the serving environment and prints JSON: the time of one picture,
and the pictures per second of one thread that decodes them all and runs the session on all of them in one
batch.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

from models.image.decode import open_picture
from models.model import ZOO, open_model


def main() -> None:
    """Print both figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each of the two measurements")
    options = parser.parse_args()
    # One thread: the fastest way for one small picture, and the most that one core does for many.
    cv2.setNumThreads(1)
    session = ort.SessionOptions()
    session.intra_op_num_threads = 1
    model = open_model(ZOO / f"{options.model}.onnx", options=session)
    view = model.card.view
    pictures = [path.read_bytes() for path in options.files]
    in_turn = cycle(pictures)

    def one() -> None:
        model(view(open_picture(next(in_turn), view.shorter_side))[None])

    def batch() -> None:
        model(np.stack([view(open_picture(data, view.shorter_side)) for data in pictures]))

    print(json.dumps({
        "one_ms": 1e3 * _median_s(one, options.seconds),
        "pictures_per_s": len(pictures) / _median_s(batch, options.seconds),
    }))  # fmt: skip


def _median_s(work: Callable[[], None], seconds: float) -> float:
    """Median seconds of one call, over calls that take so many seconds in all."""
    work()
    durations = []
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        start = time.perf_counter()
        work()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)


if __name__ == "__main__":
    main()
