"""`.venv/bin/python -m loadtests.bench.baseline MODEL FILE...`: decode, view and session, no server around.

Runs in the serving environment and prints JSON: what one picture takes, and how many pictures a second one
thread gets done when it decodes them all and runs the session on all of them at once.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

from models.image.decode import open_picture
from models.model import ZOO, open_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each of the two")
    options = parser.parse_args()
    # One thread for everything: the faster way for one small picture, and what a core can do for many.
    cv2.setNumThreads(1)
    session = ort.SessionOptions()
    session.intra_op_num_threads = 1
    model = open_model(ZOO / f"{options.model}.onnx", options=session)
    view = model.card.view
    pictures = [path.read_bytes() for path in options.files]
    turn = iter(range(10**9))

    def one() -> None:
        data = pictures[next(turn) % len(pictures)]
        model(view(open_picture(data, view.shorter_side))[None])

    def all_at_once() -> None:
        model(np.stack([view(open_picture(data, view.shorter_side)) for data in pictures]))

    print(json.dumps({
        "one_ms": 1e3 * _median(one, options.seconds),
        "pictures_per_s": len(pictures) / _median(all_at_once, options.seconds),
    }))  # fmt: skip


def _median(work: Callable[[], None], seconds: float) -> float:
    """Of one call, in seconds."""
    work()
    took = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return statistics.median(took)


if __name__ == "__main__":
    main()
