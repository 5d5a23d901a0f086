"""What is served at one moment: engines by name and by task, and the defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.card import ClassifierCard, RegressorCard
from service.errors import UnknownModel
from service.inference.engine import CardT, Engine
from service.settings import Settings


@dataclass(frozen=True)
class Snapshot:
    """Never changes; the catalog replaces it as a whole.

    Attributes:
        engines: All of them, by name.
        classifiers: Those that tell classes.
        regressors: Those that tell prices.
        default_classifier: Answers where no classifier is named; None where there is none.
        default_regressor: Answers where no regressor is named; None where there is none.
    """

    engines: Mapping[str, Engine[Any]]
    classifiers: Mapping[str, Engine[ClassifierCard]]
    regressors: Mapping[str, Engine[RegressorCard]]
    default_classifier: str | None
    default_regressor: str | None

    @staticmethod
    def of(engines: Mapping[str, Engine[Any]], settings: Settings) -> "Snapshot":
        """Sort engines by task, and choose the defaults that the settings ask for."""
        ordered = dict(sorted(engines.items()))
        classifiers = {name: e for name, e in ordered.items() if isinstance(e.card, ClassifierCard)}
        regressors = {name: e for name, e in ordered.items() if isinstance(e.card, RegressorCard)}
        return Snapshot(
            ordered,
            classifiers,
            regressors,
            _default(settings.default_classifier, classifiers),
            _default(settings.default_regressor, regressors),
        )

    def classifier(self, name: str | None) -> Engine[ClassifierCard]:
        """The named classifier, or the default. Raises UnknownModel."""
        return _find("classifier", name or self.default_classifier or "", name, self.classifiers)

    def regressor(self, name: str | None) -> Engine[RegressorCard]:
        """The named regressor, or the default. Raises UnknownModel."""
        return _find("regressor", name or self.default_regressor or "", name, self.regressors)

    def engine(self, name: str | None) -> Engine[Any]:
        """The named model, or the default classifier, or the default regressor. Raises UnknownModel."""
        default = self.default_classifier or self.default_regressor or ""
        return _find("model", name or default, name, self.engines)


def _default(wanted: str, engines: Mapping[str, object]) -> str | None:
    """The wanted model, or the first there is."""
    return wanted if wanted in engines else min(engines, default=None)


def _find(kind: str, name: str, requested: str | None, engines: Mapping[str, Engine[CardT]]) -> Engine[CardT]:
    engine = engines.get(name)
    if engine is None:
        names = ", ".join(engines) or "none"
        raise UnknownModel(f"There is no {kind} {(requested or '')[:64]!r} here; there are: {names}.")
    return engine
