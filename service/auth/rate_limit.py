"""An optional rate for each client: a token bucket of pictures.

With several workers each counts for itself: a client then gets up to as many times its rate as there are
workers.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from service.errors import RateLimited
from service.monitoring import metrics

MAX_CLIENTS = 10_000
"""Clients whose rate is remembered; the one that was quiet for longest is forgotten first."""

BURST_S = 10.0
"""How many seconds' worth of pictures a client may send at once after a pause."""


class RateLimiter:
    """Counts the pictures of each client against its rate."""

    def __init__(self, rate: float = 0, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with a full bucket for every client.

        Args:
            rate: Pictures per second of one client; 0 for no limit.
            clock: Seconds, never going back.
        """
        self.enabled = rate > 0
        self._rate = rate
        self._clock = clock
        self._burst = max(BURST_S * rate, 1.0)
        self._buckets: OrderedDict[object, tuple[float, float]] = OrderedDict()

    def charge(self, client: object) -> None:
        """Count one picture.

        Raises:
            RateLimited: The bucket of the client is empty; Retry-After says until when.
        """
        if not self.enabled:
            return
        now = self._clock()
        tokens, since = self._buckets.pop(client, (self._burst, now))
        tokens = min(tokens + (now - since) * self._rate, self._burst)
        refused = tokens < 1
        self._buckets[client] = (tokens if refused else tokens - 1, now)
        if len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)
        if refused:
            metrics.ACCESS_REFUSED.labels("rate").inc()
            seconds = max(math.ceil((1 - tokens) / self._rate), 1)
            raise RateLimited(
                f"One client may send {self._rate:g} pictures per second here; wait {seconds} s.", seconds
            )

    def charge_extra(self, client: object) -> None:
        """Count one more picture of a request that was admitted: it delays the next request."""
        if self.enabled and client in self._buckets:
            tokens, since = self._buckets[client]
            self._buckets[client] = (tokens - 1, since)
