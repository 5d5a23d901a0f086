"""The Prometheus series of drift, computed when they are asked for."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from service.monitoring.drift import DriftReport


class DriftCollector(Collector):
    """Collects each model's drift over all workers; a series without a value yet is left out.

    Args:
        reports: Returns the drift of each model, by its name.
    """

    def __init__(self, reports: Callable[[], Mapping[str, DriftReport]]) -> None:
        self._reports = reports

    def collect(self) -> Iterable[Metric]:
        """The three series, as prometheus_client asks for them."""
        answers = GaugeMetricFamily(
            "glimpse_drift_answers", "Answers that drift is measured on.", labels=("model",)
        )
        unfamiliar = GaugeMetricFamily(
            "glimpse_drift_unfamiliar_share", "Share of them that was unfamiliar.", labels=("model",)
        )
        index = GaugeMetricFamily(
            "glimpse_drift_index",
            "Population stability index against the card: above 0.1 a change, above 0.25 a large one.",
            labels=("model", "facet"),
        )
        for model, report in self._reports().items():
            answers.add_metric((model,), report.answers)
            if report.unfamiliar is not None:
                unfamiliar.add_metric((model,), report.unfamiliar)
            for facet, value in report.index.items():
                if value is not None:
                    index.add_metric((model, facet), value)
        return answers, unfamiliar, index

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering it computes nothing."""
        return ()
