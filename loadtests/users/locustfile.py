"""Users who upload digits and cars and look at the answers.

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

REFUSED = " refused"
"""Ends the name of a line of statistics of its own: refusals are quick, and would flatter latency."""

DIGITS = pictures.digits()
CARS = pictures.cars()

recorder = Recorder()


@events.init_command_line_parser.add_listener
def options(parser: Any) -> None:
    parser.add_argument("--shape", choices=SHAPES, default="steady", help="how users come and go")
    parser.add_argument("--measured", type=Path, help="write what each stage came to, as JSON")


class Load(LoadTestShape):
    """As many users as the chosen shape says. --users and --run-time are the shape's own two numbers."""

    use_common_options = True
    _stages: Stages
    _on: int | None

    def reset_time(self) -> None:
        """A run begins."""
        super().reset_time()
        options, shape = self.runner.environment.parsed_options, chosen(self.runner.environment)
        self._stages = shape.stages(options.num_users or shape.users, options.run_time or shape.seconds)
        self._on = None
        recorder.clear()

    def tick(self) -> tuple[int, float] | None:
        """(users, how many of them come or go in a second): all at once. None at the end."""
        now = stage_at(self._stages, self.get_run_time())
        if now is None:
            return None
        stage = self._stages[now]
        if now != self._on:
            recorder.begin(stage)
            self._on = now
        return stage.users, max(stage.users for stage in self._stages)


class Person(FastHttpUser):
    """Uploads one picture after the other, nine digits to one car. Comes back later when told to."""

    def wait_time(self) -> float:
        """Seconds, exponentially distributed, so that users do not march in step."""
        think = chosen(self.environment).think
        return random.expovariate(1 / think) if think else 0.0

    @task(9)
    def classify(self) -> None:
        upload = random.choice(DIGITS)
        self._post("/classify", upload, lambda answer: answer["label"] == upload.label)

    @task(1)
    def price(self) -> None:
        upload = random.choice(CARS)
        self._post("/price", upload, lambda answer: 0 < answer["low"] <= answer["price"] <= answer["high"])

    def _post(self, path: str, upload: Upload, is_right: Callable[[Any], bool]) -> None:
        files = {"image": (upload.name, upload.content, upload.content_type)}
        with self.client.post(path, files=files, catch_response=True) as response:
            wait = response.headers.get("Retry-After") if response.status_code == 503 else None
            if wait is not None and chosen(self.environment).overloads:
                response.request_meta["name"] = path + REFUSED
                response.request_meta["context"] = {"refused": True}
                response.success()
            elif response.status_code != 200:
                response.failure(f"{response.status_code}: {response.text}")
            elif not is_right(response.json()):
                response.failure(f"wrong answer for {upload.name}: {response.text}")
        if wait is not None:
            time.sleep(float(wait))


def chosen(environment: Any) -> Shape:
    return SHAPES[environment.parsed_options.shape]


@events.request.add_listener
def note(response_time: float, exception: Any, context: Any, **_: Any) -> None:
    outcome = "failed" if exception else "refused" if context.get("refused") else "answered"
    recorder.note(outcome, response_time)


@events.test_stop.add_listener
def end(**_: Any) -> None:
    recorder.end()


@events.quitting.add_listener
def verdict(environment: Any, **_: Any) -> None:
    """The exit code: 0 where every answer was there, right and in time.

    Failures count while a stage settles, too; refusals and waiting are judged by stage.
    """
    measured = recorder.end()
    if environment.parsed_options.measured:
        environment.parsed_options.measured.write_text(json.dumps([asdict(stage) for stage in measured]))
    stats = environment.stats
    reasons = [reason for reason in (stage.why_bad() for stage in measured) if reason]
    if stats.total.num_failures:
        reasons.insert(0, f"{stats.total.num_failures} failures in all")
    passed = bool(measured) and not reasons
    log.info(
        "%s: %d requests, %d failures, %d refusals%s",
        "PASS" if passed else "FAIL", stats.total.num_requests, stats.total.num_failures,
        sum(entry.num_requests for entry in stats.entries.values() if entry.name.endswith(REFUSED)),
        "".join(f"; {reason}" for reason in reasons),
    )  # fmt: skip
    environment.process_exit_code = 0 if passed else 1
