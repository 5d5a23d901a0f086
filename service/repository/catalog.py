"""The catalog: every model that is served, by name and by task."""

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.card import ClassifierCard, RegressorCard
from models.model import Model, ZooError, find_model_files
from models.onnx_file.file import FileStamp
from models.onnx_file.printable import printable
from service.errors import NotReady
from service.inference.device import Device, DeviceError
from service.inference.engine import Engine
from service.inference.execution import Workplaces
from service.inference.session import OpenModels, open_models
from service.monitoring import metrics
from service.monitoring.drift import DriftReport
from service.repository.quarantine import Quarantine, QuarantineEntry
from service.repository.snapshot import Snapshot
from service.settings import Settings

log = logging.getLogger(__name__)


class Catalog:
    """All engines, warm and ready. A request may keep the engine it has until it is answered.

    Attributes:
        device: Where all models run.
        quarantine: Files in the folder that are not served.
    """

    def __init__(self, device: Device, settings: Settings, quarantine: Quarantine, reason: str = "") -> None:
        """Start without engines.

        Args:
            device: Where models will run.
            settings: Of the service.
            quarantine: Files that are not to be served.
            reason: Why no model could be opened; every question is then answered with it.
        """
        self.device = device
        self.quarantine = quarantine
        self._settings = settings
        self._reason = reason
        self._workplaces = Workplaces(settings.decoders)
        self._snapshot = Snapshot.of({}, settings)

    @staticmethod
    def open(settings: Settings, strict: bool = True, opened: OpenModels | None = None) -> "Catalog":
        """Open, verify and warm up every model of settings.models_dir.

        Args:
            settings: Of the service.
            strict: A bad file raises; otherwise it goes into quarantine and is left out.
            opened: Models that the supervisor opened before it forked this worker.

        Raises:
            ZooError: There is no model file, or a bad one where strict.
            DeviceError: The device that the settings ask for is not there.
        """
        quarantine = Quarantine.of_this_service()
        paths = find_model_files(settings.models_dir)
        if strict:
            quarantine.clear()
        else:
            paths = [path for path in paths if not quarantine.holds(path)]

        def refuse(path: Path, error: ZooError) -> None:
            if strict:
                raise error
            with contextlib.suppress(FileNotFoundError):  # it has gone since
                catalog.refuse(path.stem, FileStamp.of(path.stat()), error)

        catalog = Catalog(Device("cpu", ()), settings, quarantine)
        found = open_models(paths, settings, refuse, opened)
        catalog.device = device = found.device
        metrics.DEVICE.labels(device.name).set(1)
        engines = {model.card.name: catalog.load_model(model) for model in found.models}
        if not engines:
            raise ZooError(f"No .onnx file in {settings.models_dir}; set GLIMPSE_MODELS_DIR.")
        catalog._serve(engines)
        return catalog

    @staticmethod
    def unopened(settings: Settings, reason: str) -> "Catalog":
        """A catalog without models, for a process that stays up to say why there are none."""
        return Catalog(Device("cpu", (), reason), settings, Quarantine(None), reason)

    @property
    def engines(self) -> Mapping[str, Engine[Any]]:
        """All engines that are served at this moment, by name."""
        return self._snapshot.engines

    def load_model(self, model: Model) -> Engine[Any]:
        """An engine for an open model; `put` serves it."""
        return Engine(model.card, model, self._workplaces, self._settings, self.device)

    def refuse(self, name: str, stamp: FileStamp, error: Exception) -> str:
        """Put a file into quarantine and log why.

        Returns:
            The reason, safe to print.
        """
        reason = printable(str(error)) or type(error).__name__
        expected = isinstance(error, ZooError | DeviceError)
        log.error("The file of %s is refused: %s", printable(name), reason, exc_info=not expected)
        self.quarantine.put(name, QuarantineEntry(stamp=stamp, reason=reason))
        return reason

    def put(self, engine: Engine[Any]) -> Engine[Any] | None:
        """Serve an engine under its name; returns the one that it replaces, which is to be closed."""
        name = engine.card.name
        old = self.engines.get(name)
        self._serve({**self.engines, name: engine})
        return old

    def remove(self, name: str) -> Engine[Any] | None:
        """Serve a name no longer; returns its engine, which is to be closed."""
        old = self.engines.get(name)
        self._serve({other: engine for other, engine in self.engines.items() if other != name})
        return old

    def _serve(self, engines: Mapping[str, Engine[Any]]) -> None:
        before, now = self._snapshot, Snapshot.of(engines, self._settings)
        wanted = self._settings
        _warn_default_missing(wanted.default_classifier, before.default_classifier, now.default_classifier)
        _warn_default_missing(wanted.default_regressor, before.default_regressor, now.default_regressor)
        self._snapshot = now

    def classifier(self, name: str | None) -> Engine[ClassifierCard]:
        """The named classifier, or the default.

        Raises:
            UnknownModel: There is none of that name; the detail lists what there is.
            NotReady: No model could be opened.
        """
        self.check_opened()
        return self._snapshot.classifier(name)

    def regressor(self, name: str | None) -> Engine[RegressorCard]:
        """The named regressor, or the default.

        Raises:
            UnknownModel: There is none of that name; the detail lists what there is.
            NotReady: No model could be opened.
        """
        self.check_opened()
        return self._snapshot.regressor(name)

    def engine(self, name: str | None) -> Engine[Any]:
        """The named model, whatever its task, or the default classifier, or the default regressor.

        Raises:
            UnknownModel: There is none of that name; the detail lists what there is.
            NotReady: No model could be opened.
        """
        self.check_opened()
        return self._snapshot.engine(name)

    @property
    def closed(self) -> bool:
        """Whether no model could be opened."""
        return bool(self._reason)

    def check_opened(self) -> None:
        """Raise NotReady where no model could be opened."""
        if self._reason:
            raise NotReady(self._reason)

    @property
    def unready_reason(self) -> str:
        """Why requests cannot be answered, or a model does not answer; empty while all do."""
        engines = self.engines.values()
        return self._reason or next((r for engine in engines if (r := engine.watchdog.reason)), "")

    def describe(self) -> list[dict[str, Any]]:
        """The models as GET /models shows them.

        Each has all of its card but the golden pictures, the sha256 of its file, whether it is a default, how
        far its responses have drifted, and the device it runs on.

        Raises:
            NotReady: No model could be opened.
        """
        self.check_opened()
        snapshot = self._snapshot
        defaults = (snapshot.default_classifier, snapshot.default_regressor)
        device = {"device": self.device.name, "reason": self.device.reason}
        engines: list[Engine[Any]] = [*snapshot.classifiers.values(), *snapshot.regressors.values()]
        return [
            engine.card.model_dump(mode="json", exclude={"golden"})
            | {
                "sha256": engine.sha256,
                "default": engine.card.name in defaults,
                "drift": asdict(engine.drift.report()),
            }
            | device
            for engine in engines
        ]

    def drift(self) -> dict[str, DriftReport]:
        """How far the outputs of each model are from those that its card knows."""
        return {name: engine.drift.report() for name, engine in self.engines.items()}


def _warn_default_missing(wanted: str, before: str | None, now: str | None) -> None:
    if now not in (before, wanted, None):
        log.warning("%s is not in the zoo; %s answers by default.", wanted, now)
