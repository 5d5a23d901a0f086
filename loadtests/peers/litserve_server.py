"""LitServe: one API process, one inference worker, which decodes, batches and runs the session.

Batches of up to 64 that wait 1 ms: without waiting (its default) the worker spins on the queue, which cost a
digit 3.3 instead of 2.4 ms of CPU time at 16 connections on two busy cores; 2 and 5 ms brought nothing.
`fast_queue` is what its documentation recommends; 0.2.19 takes the argument and stays with the other queue.
"""

from collections.abc import Sequence
from typing import Any

import litserve

from loadtests.peers.workload import Classifier, Options, options
from models.image.views import Pixels


class DigitAPI(litserve.LitAPI):
    def __init__(self, asked: Options) -> None:
        super().__init__(max_batch_size=64, batch_timeout=0.001, api_path="/classify")
        self._model = asked.model

    def setup(self, device: str) -> None:
        self._classifier = Classifier(self._model, threads=1)

    # Without an annotation LitServe hands over the form; it reads annotations as request types.
    def decode_request(self, request):  # type: ignore[no-untyped-def]
        return self._classifier.pixels(request["image"].file.read())

    def predict(self, x: Sequence[Pixels]) -> list[dict[str, Any]]:
        return self._classifier.answers(x)

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    asked = options()
    server = litserve.LitServer(DigitAPI(asked), accelerator="cpu", fast_queue=True, timeout=60)
    server.run(
        host="127.0.0.1", port=asked.port, log_level="warning", access_log=False, generate_client_file=False
    )
