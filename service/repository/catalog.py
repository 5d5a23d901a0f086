"""The catalog: every model that is served, by name and by task."""

import contextlib
import functools
import gc
import logging
import multiprocessing
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2

from models.card import ClassifierCard, RegressorCard
from models.model import Model, ZooError, find_model_files
from models.onnx_file.file import FileStamp
from service import malloc
from service.errors import UnknownModel
from service.inference.decode_pool import DecodePool
from service.inference.device import Device
from service.inference.engine import CardT, Engine
from service.inference.session import open_models
from service.monitoring import metrics
from service.monitoring.drift import DriftReport
from service.repository.quarantine import Quarantine, QuarantineEntry
from service.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Snapshot:
    """What is served at one moment, and who answers where no model is named."""

    engines: Mapping[str, Engine[Any]]
    classifiers: Mapping[str, Engine[ClassifierCard]]
    regressors: Mapping[str, Engine[RegressorCard]]
    default_classifier: str | None
    default_regressor: str | None

    @staticmethod
    def of(engines: Mapping[str, Engine[Any]], settings: Settings) -> "_Snapshot":
        ordered = dict(sorted(engines.items()))
        classifiers = {name: e for name, e in ordered.items() if isinstance(e.card, ClassifierCard)}
        regressors = {name: e for name, e in ordered.items() if isinstance(e.card, RegressorCard)}
        return _Snapshot(
            ordered,
            classifiers,
            regressors,
            _default(settings.default_classifier, classifiers),
            _default(settings.default_regressor, regressors),
        )


class Catalog:
    """All engines, warm and ready to answer. Whoever asks for one may keep it until the request is answered.

    notes: on files that are in the folder and are not served.
    """

    def __init__(self, device: Device, settings: Settings, notes: Quarantine) -> None:
        self.device = device
        self.notes = notes
        self._settings = settings
        self._pool = DecodePool(settings.decoders)
        self._served = _Snapshot.of({}, settings)

    @staticmethod
    def open(settings: Settings, strict: bool = True) -> "Catalog":
        """Open, verify and warm up every model of settings.models_dir.

        strict: a bad file raises ZooError; otherwise it is noted and left out.
        Raises ZooError where no file is there, DeviceError where the device is not.
        """
        # The decoders are the parallelism; OpenCV's own threads would fight them for the cores.
        cv2.setNumThreads(1)
        notes = Quarantine.of_this_service()
        paths = find_model_files(settings.models_dir)
        if strict:
            notes.clear()
        else:
            paths = [path for path in paths if not notes.on(path)]

        def refuse(path: Path, error: ZooError) -> None:
            if strict:
                raise error
            log.error("The file of %s is refused: %s", path.stem, error)
            with contextlib.suppress(FileNotFoundError):  # it has gone since
                notes.put(path.stem, QuarantineEntry(stamp=FileStamp.of(path.stat()), reason=str(error)))

        device, models = open_models(paths, settings, refuse)
        if device.reason:
            log.warning("Models run on the CPU: %s.", device.reason)
        metrics.DEVICE.labels(device.name).set(1)
        catalog = Catalog(device, settings, notes)
        engines = {model.card.name: catalog.engine(model) for model in models}
        for name, engine in engines.items():
            engine.warm_up()
            log.info("%s, version %s, is ready on %s", name, engine.card.version, device.name)
        if not engines:
            raise ZooError(f"No .onnx file in {settings.models_dir}; set GLIMPSE_MODELS_DIR.")
        catalog._serve(engines)
        return catalog

    @property
    def engines(self) -> Mapping[str, Engine[Any]]:
        """All that are served at this moment, by name."""
        return self._served.engines

    def engine(self, model: Model) -> Engine[Any]:
        """An engine for an open model, which is not served yet."""
        return Engine(model.card, model, self._pool, self._settings, self.device)

    def put(self, engine: Engine[Any]) -> Engine[Any] | None:
        """From now on this one answers for its name. Returns the one that did, which is to be closed."""
        name = engine.card.name
        old = self.engines.get(name)
        self._serve({**self.engines, name: engine})
        return old

    def remove(self, name: str) -> Engine[Any] | None:
        """From now on nobody answers for this name. Returns the one that did, which is to be closed."""
        old = self.engines.get(name)
        self._serve({other: engine for other, engine in self.engines.items() if other != name})
        return old

    def _serve(self, engines: Mapping[str, Engine[Any]]) -> None:
        before, now = self._served, _Snapshot.of(engines, self._settings)
        _warn_default_missing(
            self._settings.default_classifier, before.default_classifier, now.default_classifier
        )
        _warn_default_missing(
            self._settings.default_regressor, before.default_regressor, now.default_regressor
        )
        self._served = now

    def classifier(self, name: str | None) -> Engine[ClassifierCard]:
        """The named classifier, or the default. Raises UnknownModel, listing what there is."""
        served = self._served
        return _chosen("classifier", name, served.default_classifier, served.classifiers)

    def regressor(self, name: str | None) -> Engine[RegressorCard]:
        """The named regressor, or the default. Raises UnknownModel, listing what there is."""
        served = self._served
        return _chosen("regressor", name, served.default_regressor, served.regressors)

    @property
    def unready_reason(self) -> str:
        """Why a model does not answer any more; empty while all do."""
        return next((reason for engine in self.engines.values() if (reason := engine.watchdog.reason)), "")

    def describe(self) -> list[dict[str, Any]]:
        """The cards as GET /models shows them, every fact but the golden pictures; the file's sha256, and how
        far the answers have drifted."""
        served = self._served
        defaults = (served.default_classifier, served.default_regressor)
        device = {"device": self.device.name, "reason": self.device.reason}
        engines: list[Engine[Any]] = [*served.classifiers.values(), *served.regressors.values()]
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
        """How far each model's answers are from those that its card knows."""
        return {name: engine.drift.report() for name, engine in self.engines.items()}


@functools.cache
def opened() -> Catalog:
    """The catalog of this process, opened once. Raises as Catalog.open does."""
    # A worker that is started again must not stay down because of a file that its siblings refused.
    catalog = Catalog.open(Settings(), strict=multiprocessing.parent_process() is None)
    metrics.register_drift(catalog.drift)
    # What is here now stays: without this, every full collection goes through 130,000 objects of imported
    # modules and holds up all requests for 50 to 100 ms.
    gc.collect()
    gc.freeze()
    malloc.trim()
    return catalog


def _default(wanted: str, engines: Mapping[str, object]) -> str | None:
    """The model that answers where none is named: the wanted one, or the first there is."""
    return wanted if wanted in engines else min(engines, default=None)


def _warn_default_missing(wanted: str, before: str | None, now: str | None) -> None:
    if now not in (before, wanted, None):
        log.warning("%s is not in the zoo; %s answers by default.", wanted, now)


def _chosen(
    kind: str, name: str | None, default: str | None, engines: Mapping[str, Engine[CardT]]
) -> Engine[CardT]:
    engine = engines.get(name or default or "")
    if engine is None:
        there = ", ".join(engines) or "none"
        raise UnknownModel(f"There is no {kind} {(name or '')[:64]!r} here; there are: {there}.")
    return engine
