"""An optional rate for each client, over all workers: a token bucket of pictures."""

import math
import time
from collections.abc import Callable

from service.errors import RateLimited
from service.monitoring import metrics
from service.monitoring.shared.table import SharedTable
from service.monitoring.shared.worker_group import MAX_CLIENTS

BURST_S = 10.0
"""How many seconds' worth of pictures a client may send at once after a pause."""


class RateLimiter:
    """Counts the pictures of each client against its rate."""

    def __init__(
        self,
        rate: float = 0,
        clock: Callable[[], float] = time.monotonic,
        buckets: SharedTable | None = None,
    ) -> None:
        """Start with a full bucket for every client.

        Args:
            rate: Pictures per second of one client; 0 for no limit.
            clock: Seconds, never going back, the same in all workers.
            buckets: Of all workers: tokens, and when they were counted.
        """
        self.enabled = rate > 0
        self._rate = rate
        self._clock = clock
        self._burst = max(BURST_S * rate, 1.0)
        self._buckets = buckets or SharedTable(MAX_CLIENTS)

    def charge(self, client: object) -> None:
        """Count one picture.

        Raises:
            RateLimited: The bucket of the client is empty; Retry-After says until when.
        """
        if not self.enabled:
            return
        now = self._clock()
        tokens, since = self._buckets.get(client) or (self._burst, now)
        tokens = min(tokens + (now - since) * self._rate, self._burst)
        refused = tokens < 1
        self._buckets.set(client, tokens if refused else tokens - 1, now)
        if refused:
            metrics.ACCESS_REFUSED.labels("rate").inc()
            seconds = max(math.ceil((1 - tokens) / self._rate), 1)
            raise RateLimited(
                f"One client may send {self._rate:g} pictures per second here; wait {seconds} s.", seconds
            )

    def charge_extra(self, client: object, pictures: int = 1) -> None:
        """Count more pictures of a request that was admitted: they delay the next request."""
        bucket = self._buckets.get(client) if self.enabled else None
        if bucket:
            tokens, since = bucket
            self._buckets.set(client, tokens - pictures, since)
