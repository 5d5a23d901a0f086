"""Prometheus series of the service; every label comes from a closed set.

BentoML's own HTTP series label by raw path and would grow with every unknown path a client tries:
they are switched off, these take their place.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry()

REQUESTS = Counter("glimpse_requests", "Answered requests.", ("call", "status"), registry=REGISTRY)
PICTURES = Counter("glimpse_pictures", "Pictures answered.", ("model", "familiar"), registry=REGISTRY)
STAGES = Histogram(
    "glimpse_stage_seconds",
    "Seconds a picture spent in each stage.",
    ("model", "stage"),
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=REGISTRY,
)
BATCHES = Histogram(
    "glimpse_batch_pictures",
    "Pictures in a batch.",
    ("model",),
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
    registry=REGISTRY,
)
WAITING = Gauge("glimpse_queue_pictures", "Pictures that wait.", ("model",), registry=REGISTRY)
DEVICE = Gauge("glimpse_device", "1 for the device that models run on.", ("device",), registry=REGISTRY)


def exposition() -> bytes:
    """The text format of https://prometheus.io/docs/instrumenting/exposition_formats/."""
    return generate_latest(REGISTRY)
