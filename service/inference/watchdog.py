"""The watchdog of a model: tells bad luck with a picture from a model that does not work any more.

Failures in a row alone prove nothing: one client may send the same bad picture again and again, and must
not be able to take a service out of its load balancer. So the model is asked about a golden picture,
which it answered on the day of its export, and only where it fails on that too is it not ready. It is
asked again each second until it answers.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from service.monitoring import metrics

log = logging.getLogger(__name__)

MAX_CONSECUTIVE_FAILURES = 3
"""Pictures in a row that a model fails on, until it is asked about a golden one."""

PROBE_INTERVAL_S = 1.0
"""Seconds between two such questions."""


class Watchdog:
    """model: its name. probe: asks it about a golden picture; raises where it does not answer."""

    def __init__(self, model: str, probe: Callable[[], Awaitable[None]]) -> None:
        self._model = model
        self._probe = probe
        self._failures = 0
        self._asking: asyncio.Task[None] | None = None
        self._healthy = metrics.HEALTHY.labels(model)
        self._healthy.set(1)
        self.reason = ""
        """Why the model is not ready; empty while it is."""

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= MAX_CONSECUTIVE_FAILURES and self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._ask_until_well())

    def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()

    async def _ask_until_well(self) -> None:
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
        self._asking = None
