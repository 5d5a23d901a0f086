"""LitServe: one API process, one inference worker with batching.

The worker decodes, batches and runs the session. Batches of up to 64 that wait 1 ms: without a wait (its
default) the worker spins on the queue, which cost a digit 3.3 instead of 2.4 ms of CPU time at 16
connections on two busy cores; 2 and 5 ms gained nothing. Its documentation recommends `fast_queue`; 0.2.19
accepts the argument and keeps the other queue.
"""

from collections.abc import Sequence
from typing import Any

import litserve

from loadtests.peers.workload import Classifier, Options, read_options
from models.image.views import Pixels


class DigitAPI(litserve.LitAPI):
    """A classifier as LitServe's steps: decode, predict, unbatch, encode."""

    def __init__(self, options: Options) -> None:
        super().__init__(max_batch_size=64, batch_timeout=0.001, api_path="/classify")
        self._model = options.model

    def setup(self, device: str) -> None:
        """Open the model in the inference worker."""
        self._classifier = Classifier(self._model, threads=1)

    # Without an annotation LitServe passes the form; it reads annotations as request types.
    def decode_request(self, request):  # type: ignore[no-untyped-def]
        """The pixels of one upload."""
        return self._classifier.pixels(request["image"].file.read())

    def predict(self, x: Sequence[Pixels]) -> list[dict[str, Any]]:
        """Classify a batch of pixels."""
        return self._classifier.predict(x)

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The batch is a list already."""
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """The fields are the response."""
        return output


if __name__ == "__main__":
    options = read_options()
    server = litserve.LitServer(DigitAPI(options), accelerator="cpu", fast_queue=True, timeout=60)
    server.run(
        host="127.0.0.1", port=options.port, log_level="warning", access_log=False, generate_client_file=False
    )
