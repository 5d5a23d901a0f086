"""Stock BentoML: its own reading of requests and its own adaptive batching (`batchable=True`).

The picture is a Path, as in BentoML's documentation of image services; PIL.Image took 0.1 ms more of CPU
time per digit, decoding a batch in two threads 0.5 ms more. uvloop and httptools are installed: it uses them.
"""

import os
import sys
from pathlib import Path
from typing import Any

import bentoml

from loadtests.peers.workload import Classifier, options

MODEL = "PEER_MODEL"
"""BentoML imports this module in its own worker, which sees the environment but not our arguments."""


@bentoml.service(name="stock", workers=1, logging={"access": {"enabled": False}})
class Stock:
    def __init__(self) -> None:
        self._classifier = Classifier(os.environ[MODEL], threads=1)

    # Answered with 503 is what is expected to take longer than max_latency_ms: nothing, here.
    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=10_000)
    def classify(self, image: list[Path]) -> list[dict[str, Any]]:
        return self._classifier.answers([self._classifier.pixels(path.read_bytes()) for path in image])


if __name__ == "__main__":
    asked = options()
    os.environ[MODEL] = asked.model
    command = str(Path(sys.executable).with_name("bentoml"))
    address = ["--host", "127.0.0.1", "--port", str(asked.port)]
    os.execv(command, [command, "serve", "loadtests.peers.bentoml_server:Stock", *address])  # noqa: S606
