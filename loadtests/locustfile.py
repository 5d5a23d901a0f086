"""Users who upload digits and cars and look at the answers.

`make loadtest` starts the service and runs this for 30 seconds; against a server of your own:
locust -f loadtests/locustfile.py --host http://localhost:3000
"""

import logging
import random
from typing import Any

from locust import FastHttpUser, constant, events, task

from loadtests import pictures
from loadtests.pictures import Upload

log = logging.getLogger(__name__)

SLOWEST_P95_MS = 1000
"""Above this the run fails: no person waits longer for one picture."""

DIGITS = pictures.digits()
CARS = pictures.cars()


class Person(FastHttpUser):
    """Uploads one picture after the other, nine digits to one car."""

    wait_time = constant(0)

    @task(9)
    def classify(self) -> None:
        upload = random.choice(DIGITS)
        self._post("/classify", upload, lambda answer: answer["label"] == upload.label)

    @task(1)
    def price(self) -> None:
        upload = random.choice(CARS)
        self._post("/price", upload, lambda answer: 0 < answer["low"] <= answer["price"] <= answer["high"])

    def _post(self, path: str, upload: Upload, is_right: Any) -> None:
        files = {"image": (upload.name, upload.content, upload.content_type)}
        with self.client.post(path, files=files, catch_response=True) as response:
            if response.status_code != 200:
                response.failure(f"{response.status_code}: {response.text}")
            elif not is_right(response.json()):
                response.failure(f"wrong answer for {upload.name}: {response.text}")


@events.quitting.add_listener
def verdict(environment: Any, **_: Any) -> None:
    """The exit code: 0 where every answer was there, right and in time."""
    total = environment.stats.total
    p95 = total.get_response_time_percentile(0.95) or 0
    passed = total.num_requests > 0 and total.num_failures == 0 and p95 <= SLOWEST_P95_MS
    log.info(
        "%s: %d requests, %d failures, %.0f requests/s, p50 %.0f ms, p95 %.0f ms (at most %d)",
        "PASS" if passed else "FAIL", total.num_requests, total.num_failures, total.total_rps,
        total.median_response_time or 0, p95, SLOWEST_P95_MS,
    )  # fmt: skip
    environment.process_exit_code = 0 if passed else 1
