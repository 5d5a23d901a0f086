"""All that one serving process holds, opened once and handed to whatever needs a part of it."""

import gc
import logging
from dataclasses import dataclass
from typing import Any

from models.model import ZooError
from service import malloc
from service.auth.api_keys import ApiKeys
from service.auth.rate_limit import RateLimiter
from service.errors import NotReady
from service.http.asgi_types import Scope
from service.http.bodies.body import RequestHead
from service.http.bodies.upload_budget import UploadBudget
from service.http.connections import Connections, Limits
from service.inference.device import DeviceError
from service.inference.engine import Engine
from service.inference.session import OpenModels
from service.monitoring import metrics
from service.monitoring.prediction_log.writer import PredictionLog, open_log
from service.monitoring.shared.worker_group import WorkerGroup
from service.prediction.predictor import Predictor
from service.repository.catalog import Catalog
from service.repository.watcher import ModelWatcher
from service.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Application:
    """The parts of a serving process.

    Attributes:
        settings: As they were when the process started.
        group: The workers that this process is one of.
        connections: Open now; they know whether the process drains.
        keys: API keys.
        rate_limiter: Of pictures per client.
        upload_budget: Of bytes in all bodies.
        catalog: The models that are served.
        watcher: Keeps the catalog in step with its folder.
        prediction_log: None where none is written.
        predictor: Answers pictures.
    """

    settings: Settings
    group: WorkerGroup
    connections: Connections
    keys: ApiKeys
    rate_limiter: RateLimiter
    upload_budget: UploadBudget
    catalog: Catalog
    watcher: ModelWatcher
    prediction_log: PredictionLog | None
    predictor: Predictor

    @staticmethod
    def open(
        settings: Settings, group: WorkerGroup | None = None, opened: OpenModels | None = None
    ) -> "Application":
        """Open and verify everything, the models above all.

        Args:
            settings: Of the service.
            group: The workers that this process is one of. One bad model file is then left out, not an error:
                a worker that starts again must not stay down because of it.
            opened: Models that the supervisor opened before it forked this process.

        Raises:
            ZooError: A model file is bad, or there is none.
            DeviceError: The device that the settings ask for is not there.
        """
        catalog = Catalog.open(settings, strict=group is None, opened=opened)
        application = Application._around(catalog, settings, group or WorkerGroup())
        metrics.register_drift(application.catalog.drift)
        # What is here now stays: without this, every full collection goes through 130,000 objects of imported
        # modules and holds up all requests for 50 to 100 ms.
        gc.collect()
        gc.freeze()
        malloc.trim()
        return application

    @staticmethod
    def open_or_explain(settings: Settings) -> "Application":
        """As open; where that fails, an application without models that says why.

        For BentoML's own command, which would start a failing process over and over and hide the reason.
        """
        try:
            return Application.open(settings)
        except (ZooError, DeviceError) as error:
            log.error("not ready: %s", error)
            return Application._around(Catalog.unopened(settings, str(error)), settings, WorkerGroup())

    @staticmethod
    def _around(catalog: Catalog, settings: Settings, group: WorkerGroup) -> "Application":
        prediction_log = open_log(settings)
        limits = Limits(settings.max_connections, settings.head_seconds, settings.body_seconds)
        return Application(
            settings,
            group,
            Connections(limits, group.open_connections),
            ApiKeys([key.get_secret_value() for key in settings.api_keys]),
            RateLimiter(settings.rate_limit, buckets=group.clients),
            UploadBudget(settings.max_held_bytes, group.held_bytes),
            catalog,
            ModelWatcher(catalog, settings),
            prediction_log,
            Predictor(catalog, prediction_log),
        )

    @property
    def unready_reason(self) -> str:
        """Why requests should go elsewhere; empty while this worker and all others are ready."""
        if self.connections.draining:
            return "This process is about to end."
        reason = self.catalog.unready_reason
        self.group.unready.own = bool(reason)
        if not reason and self.group.unready.total():
            return "A model of another worker does not answer."
        return reason

    def check_ready(self) -> None:
        """Raise NotReady where requests cannot be answered."""
        if reason := self.unready_reason:
            raise NotReady(reason)

    def check_model_ready(self, engine: Engine[Any]) -> None:
        """Raise NotReady where one model does not answer, or the process is about to end."""
        if reason := self.unready_reason if self.connections.draining else engine.watchdog.reason:
            raise NotReady(reason)

    def client_of(self, scope: Scope, head: RequestHead) -> object:
        """What counts as one client: the key of a request, or without keys its address."""
        address = scope["client"][0] if scope.get("client") else ""
        return self.keys.client(head.headers, address)

    async def start(self) -> None:
        """Begin what runs beside the requests."""
        if not self.catalog.closed:
            await self.watcher.start()

    async def stop(self) -> None:
        """End what `start` began, and write what the prediction log still has."""
        await self.watcher.stop()
        if self.prediction_log is not None:
            self.prediction_log.close()
