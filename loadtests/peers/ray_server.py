"""Ray Serve: one replica with batching (`@serve.batch`).

The replica reads the form, decodes and runs the session. Its documented high-throughput mode: HAProxy, which
comes with ray[serve], forwards requests straight to the replica. Without it every request passes through two
more Python processes: 260 instead of 550 digits/s on two busy cores. Batches of up to 64 that wait 1 ms (0
and 5 ms: no difference). Decoding in threads beside the replica's event loop took 2.9 instead of 2.1 ms of
CPU time per digit.
"""

import os
import signal
from typing import Any

# ray reads these when it is imported.
os.environ |= {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
}

import ray
from ray import serve
from ray.serve.schema import LoggingConfig
from starlette.requests import Request

from loadtests.peers.workload import Classifier, read_options

QUIET = LoggingConfig(enable_access_log=False, log_level="WARNING")


@serve.deployment(max_ongoing_requests=1024, logging_config=QUIET)
class Digits:
    """A classifier in one replica."""

    def __init__(self, model: str) -> None:
        self._classifier = Classifier(model, threads=1)

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Classify the picture of a form."""
        async with request.form() as form:
            return await self._predict(await form["image"].read())

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.001)
    async def _predict(self, pictures: list[bytes]) -> list[dict[str, Any]]:
        return self._classifier.predict([self._classifier.pixels(data) for data in pictures])


if __name__ == "__main__":
    options = read_options()
    ray.init(include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": options.port}, logging_config=QUIET)
    serve.run(Digits.bind(options.model), route_prefix="/classify")
    signal.pause()
