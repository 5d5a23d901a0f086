"""The watchdog of a model: tells a failing model from failing pictures.

Failures in a row alone prove nothing: one client that sends the same bad picture again and again must not
take a service out of its load balancer. So the model is probed with a golden picture, which it answered at
its export, and is not ready only where that fails too. The probe is repeated until it succeeds.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from service.monitoring import metrics

log = logging.getLogger(__name__)

MAX_CONSECUTIVE_FAILURES = 3
"""Pictures in a row that a model fails on, until it is probed."""

PROBE_INTERVAL_S = 1.0
"""Seconds between two probes."""


class Watchdog:
    """Watches one model. Lives on one event loop.

    Args:
        model: The model's name.
        probe: Runs the model on a golden picture; raises where it fails.

    Attributes:
        reason: Why the model is not ready; empty while it is.
    """

    def __init__(self, model: str, probe: Callable[[], Awaitable[None]]) -> None:
        self._model = model
        self._probe = probe
        self._failures = 0
        self._probing: asyncio.Task[None] | None = None
        self._healthy = metrics.HEALTHY.labels(model)
        self._healthy.set(1)
        self.reason = ""

    def record_success(self) -> None:
        """Note that the model answered a picture."""
        self._failures = 0

    def record_failure(self) -> None:
        """Note that the model failed on a picture, and probe it after too many in a row."""
        self._failures += 1
        if self._failures >= MAX_CONSECUTIVE_FAILURES and self._probing is None:
            self._probing = asyncio.get_running_loop().create_task(self._probe_until_healthy())

    def close(self) -> None:
        """End a probe that is running."""
        if self._probing is not None:
            self._probing.cancel()

    async def _probe_until_healthy(self) -> None:
        log.warning("%s failed on %d pictures in a row; asking a golden one.", self._model, self._failures)
        while True:
            try:
                await self._probe()
            except Exception as error:
                if not self.reason:
                    log.exception(
                        "%s fails on a golden picture too; not ready until it answers.", self._model
                    )
                self.reason = f"{self._model} does not answer: {type(error).__name__}: {error}"
                self._healthy.set(0)
            else:
                break
            await asyncio.sleep(PROBE_INTERVAL_S)
        if self.reason:
            log.warning("%s answers again; ready.", self._model)
        self.reason = ""
        self._failures = 0
        self._healthy.set(1)
        self._probing = None
