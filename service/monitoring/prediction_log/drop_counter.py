"""The drop counter: counts what the prediction log could not write, and logs it now and then."""

import logging
import math
import time

from prometheus_client import Counter

log = logging.getLogger(__name__)

LOG_INTERVAL_S = 60.0
"""Seconds between two log lines while drops go on."""


class DropCounter:
    """Counts the drops of one kind.

    Args:
        counter: Where they are counted.
        kind: lines or pictures.
    """

    def __init__(self, counter: Counter, kind: str) -> None:
        self._counter = counter
        self._kind = kind
        self._last_logged = -math.inf

    def record(self, error: BaseException) -> None:
        """Count a drop, and log its reason unless one was logged within LOG_INTERVAL_S."""
        self._counter.inc()
        now = time.monotonic()
        if now - self._last_logged >= LOG_INTERVAL_S:
            self._last_logged = now
            log.error(
                "the prediction log loses %s (%s); pictures are still answered,"
                " glimpse_log_%s_lost_total counts the loss",
                self._kind, error, self._kind,
            )  # fmt: skip
