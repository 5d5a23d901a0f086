"""The folder of a prediction log: calls that write into it, and what tests read there."""

import json
import re

from tests.support.http_calls import CLIENT, PNG
from tests.support.images import pictures
from tests.support.waiting import wait_until

FOUR = pictures.encoded(pictures.digit(4))


def classify(url, image=PNG, request_id="order-1", model="digits-linear"):
    """Ask for a class under a request id."""
    return CLIENT.post(
        f"{url}/classify",
        files={"image": image},
        data={"model": model},
        headers={"X-Request-ID": request_id},
    )


def tell(url, **feedback):
    """Post feedback."""
    return CLIENT.post(f"{url}/feedback", json=feedback)


def files_of(folder):
    """The log's files, the newest first."""
    return sorted(folder.glob("predictions-*.jsonl*"))


def lines_of(folder):
    """The parsed lines of all files."""
    return [json.loads(line) for path in files_of(folder) for line in path.read_text().splitlines()]


def written(folder, count):
    """The lines of the log once there are `count`: each is written after its response was sent."""
    wait_until(lambda: len(lines_of(folder)) >= count)
    lines = lines_of(folder)
    assert len(lines) == count
    return lines


def lost(url, what="lines"):
    """How many lines or pictures the server has counted as lost."""
    return float(
        re.findall(rf"^glimpse_log_{what}_lost_total (\S+)", CLIENT.get(f"{url}/metrics").text, re.M)[0]
    )
