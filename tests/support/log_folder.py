"""The folder of a prediction log: calls that write into it, and what tests read there."""

import json
import re
import time

from tests.support.http_calls import CLIENT, PNG
from tests.support.images import pictures

FOUR = pictures.encoded(pictures.digit(4))


def classify(url, image=PNG, request_id="order-1", model="digits-linear"):
    return CLIENT.post(
        f"{url}/classify",
        files={"image": image},
        data={"model": model},
        headers={"X-Request-ID": request_id},
    )


def tell(url, **feedback):
    return CLIENT.post(f"{url}/feedback", json=feedback)


def files_of(folder):
    return sorted(folder.glob("predictions-*.jsonl*"))


def lines_of(folder):
    return [json.loads(line) for path in files_of(folder) for line in path.read_text().splitlines()]


def eventually(true):
    """Wait until it is: lines are written behind the answer, also those of tests before."""
    until = time.monotonic() + 10
    while not true() and time.monotonic() < until:
        time.sleep(0.02)
    assert true()


def written(folder, count):
    """The lines of the log, as soon as there are so many."""
    eventually(lambda: len(lines_of(folder)) >= count)
    lines = lines_of(folder)
    assert len(lines) == count
    return lines


def lost(url, what="lines"):
    return float(
        re.findall(rf"^glimpse_log_{what}_lost_total (\S+)", CLIENT.get(f"{url}/metrics").text, re.M)[0]
    )
