"""Stock BentoML: its own request parsing and batching (`batchable=True`).

The picture is a Path, as in BentoML's documentation of image services; PIL.Image took 0.1 ms more of CPU
time per digit, decoding a batch in two threads 0.5 ms more. uvloop and httptools are installed: it uses them.
"""

import os
import sys
from pathlib import Path
from typing import Any

import bentoml

from loadtests.peers.workload import Classifier, read_options

MODEL = "PEER_MODEL"
"""BentoML imports this module in its own worker, which inherits the environment but not our arguments."""


@bentoml.service(name="stock", workers=1, logging={"access": {"enabled": False}})
class Stock:
    """A classifier behind BentoML's own batching."""

    def __init__(self) -> None:
        self._classifier = Classifier(os.environ[MODEL], threads=1)

    # BentoML refuses what it expects to take longer than max_latency_ms: nothing, with this value.
    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=10_000)
    def classify(self, image: list[Path]) -> list[dict[str, Any]]:
        """Classify a batch of uploaded files."""
        return self._classifier.predict([self._classifier.pixels(path.read_bytes()) for path in image])


if __name__ == "__main__":
    options = read_options()
    os.environ[MODEL] = options.model
    command = str(Path(sys.executable).with_name("bentoml"))
    address = ["--host", "127.0.0.1", "--port", str(options.port)]
    os.execv(command, [command, "serve", "loadtests.peers.bentoml_server:Stock", *address])  # noqa: S606
