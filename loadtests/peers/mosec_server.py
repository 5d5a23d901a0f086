"""mosec: its HTTP front in Rust, worker processes, batches of up to 32.

Each worker decodes and views in `deserialize`, which mosec calls for every picture of a batch, and runs the
session on the batch in `forward`. mosec has no forms: the body is the file. A batch waits 1 ms for more, the
shortest that mosec takes.
"""

import json
import os
from typing import Any

from mosec import Server, Worker

from loadtests.peers.workload import Classifier, read_options
from models.image.views import Pixels

MODEL = "PEER_MODEL"
"""mosec imports this module in its workers, which inherit the environment but not our arguments."""


class Digits(Worker):
    """A classifier in one worker process."""

    def __init__(self) -> None:
        super().__init__()
        self._classifier = Classifier(os.environ[MODEL], threads=1)

    def deserialize(self, data: bytearray) -> Pixels:
        """The pixels of one upload."""
        return self._classifier.pixels(bytes(data))

    def forward(self, data: list[Pixels]) -> list[dict[str, Any]]:
        """Classify a batch of pixels."""
        return self._classifier.predict(data)

    def serialize(self, data: dict[str, Any]) -> bytes:
        """The fields as JSON; mosec's own is indented."""
        return json.dumps(data).encode()


if __name__ == "__main__":
    options = read_options()
    os.environ |= {
        MODEL: options.model,
        "MOSEC_ADDRESS": "127.0.0.1", "MOSEC_PORT": str(options.port), "MOSEC_LOG_LEVEL": "warning",
    }  # fmt: skip
    server = Server()
    server.append_worker(Digits, num=options.workers, max_batch_size=32, max_wait_time=1, route="/classify")
    server.run()
