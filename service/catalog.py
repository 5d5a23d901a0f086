"""The catalog: every model that is served, by name and by task."""

import functools
import gc
import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import cv2

from models.card import ClassifierCard, RegressorCard
from models.zoo import ZooError, find
from service import metrics
from service.drift import Drifted
from service.engine import CardT, Engine
from service.errors import UnknownModel
from service.fair_pool import FairPool
from service.session import Device, batches_in_flight, open_sessions
from service.settings import Settings

log = logging.getLogger(__name__)


class Catalog:
    """All engines, warm and ready to answer."""

    def __init__(
        self,
        device: Device,
        classifiers: Mapping[str, Engine[ClassifierCard]],
        regressors: Mapping[str, Engine[RegressorCard]],
        settings: Settings,
    ) -> None:
        self.device = device
        self._classifiers = classifiers
        self._regressors = regressors
        self._default_classifier = _default(settings.default_classifier, classifiers)
        self._default_regressor = _default(settings.default_regressor, regressors)

    @staticmethod
    def open(settings: Settings) -> "Catalog":
        """Open, verify and warm up every model of settings.models_dir.

        Raises ZooError where a file is bad or none is there, DeviceError where the device is not.
        """
        # The decoders are the parallelism; OpenCV's own threads would fight them for the cores.
        cv2.setNumThreads(1)
        device, models = open_sessions(find(settings.models_dir), settings)
        if device.reason:
            log.warning("Models run on the CPU: %s.", device.reason)
        metrics.DEVICE.labels(device.name).set(1)
        pool = FairPool(settings.decoders)
        in_flight = batches_in_flight(device)
        classifiers: dict[str, Engine[ClassifierCard]] = {}
        regressors: dict[str, Engine[RegressorCard]] = {}
        for model in models:
            card = model.card
            if isinstance(card, ClassifierCard):
                classifiers[card.name] = Engine(card, model, pool, settings, in_flight)
            else:
                regressors[card.name] = Engine(card, model, pool, settings, in_flight)
            log.info("%s, version %s, is ready on %s", card.name, card.version, device.name)
        if not classifiers and not regressors:
            raise ZooError(f"No .onnx file in {settings.models_dir}; set GLIMPSE_MODELS_DIR.")
        engines: list[Engine[Any]] = [*classifiers.values(), *regressors.values()]
        for engine in engines:
            engine.warm_up()
        return Catalog(device, classifiers, regressors, settings)

    def classifier(self, name: str | None) -> Engine[ClassifierCard]:
        """The named classifier, or the default. Raises UnknownModel, listing what there is."""
        return _chosen("classifier", name, self._default_classifier, self._classifiers)

    def regressor(self, name: str | None) -> Engine[RegressorCard]:
        """The named regressor, or the default. Raises UnknownModel, listing what there is."""
        return _chosen("regressor", name, self._default_regressor, self._regressors)

    def describe(self) -> list[dict[str, Any]]:
        """The cards as GET /models shows them, every fact but the golden pictures, and how far the answers
        have drifted."""
        defaults = (self._default_classifier, self._default_regressor)
        device = {"device": self.device.name, "reason": self.device.reason}
        return [
            engine.card.model_dump(mode="json", exclude={"golden"})
            | {"default": engine.card.name in defaults, "drift": asdict(engine.drift.report())}
            | device
            for engine in self._engines()
        ]

    def drift(self) -> dict[str, Drifted]:
        """How far each model's answers are from those that its card knows."""
        return {engine.card.name: engine.drift.report() for engine in self._engines()}

    def _engines(self) -> list[Engine[Any]]:
        return [*self._classifiers.values(), *self._regressors.values()]


@functools.cache
def opened() -> Catalog:
    """The catalog of this process, opened once. Raises as Catalog.open does."""
    catalog = Catalog.open(Settings())
    metrics.DRIFT.reports = catalog.drift
    # What is here now stays: without this, every full collection goes through 130,000 objects of imported
    # modules and holds up all requests for 50 to 100 ms.
    gc.collect()
    gc.freeze()
    return catalog


def _default(wanted: str, engines: Mapping[str, object]) -> str | None:
    """The model that answers where none is named: the wanted one, or the first there is."""
    if wanted in engines or not engines:
        return wanted if engines else None
    instead = min(engines)
    log.warning("%s is not in the zoo; %s answers by default.", wanted, instead)
    return instead


def _chosen(
    kind: str, name: str | None, default: str | None, engines: Mapping[str, Engine[CardT]]
) -> Engine[CardT]:
    engine = engines.get(name or default or "")
    if engine is None:
        there = ", ".join(engines) or "none"
        raise UnknownModel(f"There is no {kind} {(name or '')[:64]!r} here; there are: {there}.")
    return engine
