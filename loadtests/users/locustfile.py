"""Locust users that upload digits and cars and check the responses.

`make loadtest` starts the service and runs this; against a server of your own:
locust -f loadtests/users/locustfile.py --host http://localhost:3000 --shape steady
"""

import json
import logging
import random
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from locust import FastHttpUser, LoadTestShape, events, task

from loadtests import pictures
from loadtests.pictures import Upload
from loadtests.users.shapes import SHAPES, Shape, Stages, stage_at
from loadtests.users.stage_stats import Recorder

log = logging.getLogger(__name__)

REFUSED_SUFFIX = " refused"
"""Gives refusals a line of statistics of their own: they are quick and would flatter latency."""

DIGITS = pictures.digits()
CARS = pictures.cars()

recorder = Recorder()


@events.init_command_line_parser.add_listener
def add_options(parser: Any) -> None:
    """Add our two options to those of locust."""
    parser.add_argument("--shape", choices=SHAPES, default="steady", help="how the number of users changes")
    parser.add_argument("--measured", type=Path, help="write the statistics of each stage to this JSON file")


def shape_of(environment: Any) -> Shape:
    """The shape that --shape names."""
    return SHAPES[environment.parsed_options.shape]


class StagedLoadShape(LoadTestShape):
    """The number of users by the chosen shape, which --users and --run-time scale."""

    use_common_options = True
    _stages: Stages
    _current: int | None

    def reset_time(self) -> None:
        """Start a run: make its stages and forget the statistics of the last one."""
        super().reset_time()
        options, shape = self.runner.environment.parsed_options, shape_of(self.runner.environment)
        self._stages = shape.stages(options.num_users or shape.users, options.run_time or shape.seconds)
        self._current = None
        recorder.clear()

    def tick(self) -> tuple[int, float] | None:
        """The number of users and how many start or stop per second; None at the end."""
        current = stage_at(self._stages, self.get_run_time())
        if current is None:
            return None
        stage = self._stages[current]
        if current != self._current:
            recorder.begin(stage)
            self._current = current
        return stage.users, max(stage.users for stage in self._stages)


class PictureUploader(FastHttpUser):
    """Uploads picture after picture, nine digits to one car; obeys Retry-After."""

    def wait_time(self) -> float:
        """Exponentially distributed seconds, so that users do not fall into step."""
        think_s = shape_of(self.environment).think_s
        return random.expovariate(1 / think_s) if think_s else 0.0

    @task(9)
    def classify(self) -> None:
        """Upload a digit; the response has to have its label."""
        upload = random.choice(DIGITS)
        self._post("/classify", upload, lambda fields: fields["label"] == upload.label)

    @task(1)
    def price(self) -> None:
        """Upload a car; its price has to be inside its interval."""
        upload = random.choice(CARS)
        self._post("/price", upload, lambda fields: 0 < fields["low"] <= fields["price"] <= fields["high"])

    def _post(self, path: str, upload: Upload, is_correct: Callable[[Any], bool]) -> None:
        files = {"image": (upload.name, upload.content, upload.content_type)}
        with self.client.post(path, files=files, catch_response=True) as response:
            retry_after = response.headers.get("Retry-After") if response.status_code == 503 else None
            if retry_after is not None and shape_of(self.environment).overloads:
                response.request_meta["name"] = path + REFUSED_SUFFIX
                response.request_meta["context"] = {"refused": True}
                response.success()
            elif response.status_code != 200:
                response.failure(f"{response.status_code}: {response.text}")
            elif not is_correct(response.json()):
                response.failure(f"wrong answer for {upload.name}: {response.text}")
        if retry_after is not None:
            time.sleep(float(retry_after))


@events.request.add_listener
def record_request(response_time: float, exception: Any, context: Any, **_: Any) -> None:
    """Count a request for the current stage."""
    outcome = "failed" if exception else "refused" if context.get("refused") else "answered"
    recorder.note(outcome, response_time)


@events.test_stop.add_listener
def end_last_stage(**_: Any) -> None:
    """End the last stage with the run, before locust takes time to quit."""
    recorder.end()


@events.quitting.add_listener
def set_exit_code(environment: Any, **_: Any) -> None:
    """Write the statistics and set the exit code.

    It is 0 where no response was missing, wrong or late. Failures count while a stage settles, too; refusals
    and latency are judged by stage.
    """
    stages = recorder.end()
    if environment.parsed_options.measured:
        environment.parsed_options.measured.write_text(json.dumps([asdict(stage) for stage in stages]))
    stats = environment.stats
    reasons = [reason for stage in stages if (reason := stage.failure_reason())]
    if stats.total.num_failures:
        reasons.insert(0, f"{stats.total.num_failures} failures in all")
    passed = bool(stages) and not reasons
    log.info(
        "%s: %d requests, %d failures, %d refusals%s",
        "PASS" if passed else "FAIL", stats.total.num_requests, stats.total.num_failures,
        sum(entry.num_requests for entry in stats.entries.values() if entry.name.endswith(REFUSED_SUFFIX)),
        "".join(f"; {reason}" for reason in reasons),
    )  # fmt: skip
    environment.process_exit_code = 0 if passed else 1
