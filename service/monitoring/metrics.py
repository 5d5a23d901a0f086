"""Prometheus series of the service; every label comes from a closed set.

BentoML's own HTTP series label by raw path and would grow with every unknown path a client tries; they
are switched off. With several workers each writes to the shared folder, and the one that is asked sums
over all.
"""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from service.monitoring.drift import DriftReport
from service.monitoring.drift_collector import DriftCollector
from service.monitoring.model_metrics import ModelCollector
from service.monitoring.shared.folder import remove_files_of_dead_workers, shared_folder

REGISTRY = CollectorRegistry()

REQUESTS = Counter("glimpse_requests", "Answered requests.", ("call", "status"), registry=REGISTRY)
ACCESS_REFUSED = Counter(
    "glimpse_access_refused",
    "Requests without a valid key, or above their client's rate.",
    ("reason",),
    registry=REGISTRY,
)
CONNECTIONS_ENDED = Counter(
    "glimpse_connections_ended",
    "Connections that we closed: all taken, no HTTP, too slow, head too long, out of memory.",
    ("reason",),
    registry=REGISTRY,
)
HEALTHY = Gauge(
    "glimpse_model_healthy",
    "0 while a model fails on a golden picture.",
    ("model",),
    registry=REGISTRY,
    multiprocess_mode="livemin",
)
DEVICE = Gauge(
    "glimpse_device",
    "1 for the device that models run on.",
    ("device",),
    registry=REGISTRY,
    multiprocess_mode="livemax",
)

MODEL_CHANGES = Counter(
    "glimpse_model_changes",
    "Model files that were loaded, refused or unloaded while serving.",
    ("outcome",),
    registry=REGISTRY,
)
LOG_LINES_LOST = Counter(
    "glimpse_log_lines_lost", "Lines that the prediction log could not take.", registry=REGISTRY
)
LOG_PICTURES_LOST = Counter(
    "glimpse_log_pictures_lost", "Pictures that the prediction log could not keep.", registry=REGISTRY
)

_models = ModelCollector()
REGISTRY.register(_models)

_drift: DriftCollector | None = None


def register_drift(reports: Callable[[], Mapping[str, DriftReport]]) -> None:
    """Collect drift from now on, in the place of reports that were registered before.

    Args:
        reports: Returns the drift of each model, by its name; called for each exposition.
    """
    global _drift
    if _drift is not None:
        REGISTRY.unregister(_drift)
    _drift = DriftCollector(reports)
    REGISTRY.register(_drift)


def exposition() -> bytes:
    """All series, in the text format of Prometheus, summed over the workers.

    https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    folder = shared_folder()
    if folder is None:
        return generate_latest(REGISTRY)
    # A gauge of a worker that was killed would be summed up for ever.
    remove_files_of_dead_workers(folder, "gauge_live*.db")
    registry = CollectorRegistry()
    registry.register(_models)
    if _drift is not None:
        registry.register(_drift)
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
