"""The drift reference: the distribution of a model's outputs, in its card, that drift is measured against."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from models.atomic import replacing
from models.card import (
    METADATA_KEY,
    Card,
    ClassReference,
    Histogram,
    Outputs,
    PriceReference,
    Reference,
)
from models.model import Model, ZooError
from training.data.splits import DataError, Splits
from training.evaluation.evaluate import predict
from training.export import onnx_graph
from training.export.verification import open_partial

BINS = 10

MIN_BIN_WIDTH = 1e-4
"""Relative to max(1, |edge|): outputs that another device rounds differently must not change bins.

Edges nearer than this to the one below are left out, and each lies half of it below its quantile, where many
outputs may be nearly equal."""


def reference(card: Card, outputs: Outputs, data: str) -> Reference:
    """The reference of a model.

    Args:
        card: Of the model.
        outputs: The exported file's outputs for the test split. Nothing in the file was fitted on it; the
            familiarity threshold was fitted on the calibration split.
        data: Name of the test split.
    """
    familiarity = deciles(outputs["familiarity"])
    if card.task == "classification":
        probabilities = outputs["probabilities"]
        counts = np.bincount(probabilities.argmax(axis=1), minlength=len(card.labels))
        return ClassReference(
            data=data,
            n=len(probabilities),
            classes=_fractions(counts),
            confidence=deciles(probabilities.max(axis=1)),
            familiarity=familiarity,
        )
    prices = outputs["value"]
    return PriceReference(data=data, n=len(prices), prices=deciles(prices), familiarity=familiarity)


def deciles(values: npt.NDArray[np.float32]) -> Histogram:
    """Ten bins of equally many values, fewer where many are nearly equal; values: (N,), N >= 1."""
    edges: list[float] = []
    for quantile in np.quantile(values.astype(np.float64), np.arange(1, BINS) / BINS):
        width = MIN_BIN_WIDTH * max(1.0, abs(quantile))
        edge = float(f"{quantile - width / 2:.6g}")
        if not edges or edge - edges[-1] >= width:
            edges.append(edge)
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    return Histogram(edges=tuple(edges), shares=_fractions(counts))


def write_reference(model: Model, splits: Splits) -> Path:
    """Write a model's reference into its card, in place; all else in the file stays as it is.

    Raises:
        DataError: The splits are not those that the model was trained and tested on.
        ZooError: The file would change in more than its card, or would not open.
    """
    card = model.card
    if splits.fingerprint != card.training.fingerprint:
        raise DataError(
            f"{card.name} was trained on other pictures than these {splits.name}: among their test split may"
            " be some that it learned from. Train it again, which writes the reference too."
        )
    new = reference(card, predict(model, splits.test.pixels), f"{splits.name}, test split")
    graph = onnx.load(model.path, load_external_data=False)
    with replacing(model.path) as partial:
        onnx_graph.write(graph, card.model_copy(update={"reference": new}), partial)
        if _without_card(onnx.load(partial)) != _without_card(onnx.load(model.path)):
            raise ZooError(f"{model.path.name} would change in more than its card; nothing was written.")
        open_partial(partial, model.path)
    return model.path


def _without_card(graph: onnx.ModelProto) -> bytes:
    """The bytes of a graph without its card, which is removed from it."""
    kept = [prop for prop in graph.metadata_props if prop.key != METADATA_KEY]
    del graph.metadata_props[:]
    graph.metadata_props.extend(kept)
    return graph.SerializeToString(deterministic=True)


def _fractions(counts: npt.NDArray[np.intp]) -> tuple[float, ...]:
    return tuple(float(fraction) for fraction in counts / counts.sum())
