"""How a file usually answers: the distribution in its card that drift is measured against."""

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from models.card import METADATA_KEY, Card, ClassReference, Histogram, Outputs, PriceReference
from models.model import Model, ZooError, open_model
from training.data.splits import DataError, Splits
from training.evaluation.evaluate import predict
from training.export import onnx_graph

BINS = 10

CLOSEST = 1e-4
"""Relative to max(1, |answer|): another device rounds answers differently, and they must not change bins for
that. Edges nearer than this to the one below are left out, and each lies half of it below its quantile,
where many answers may be all but the same."""


def reference(card: Card, outputs: Outputs, data: str) -> ClassReference | PriceReference:
    """outputs: the exported file's answers to the test split, which nothing in the file was fitted on:
    the calibration split has placed the familiarity threshold and would flatter it. data: its name."""
    familiarity = deciles(outputs["familiarity"])
    if card.task == "classification":
        probabilities = outputs["probabilities"]
        counts = np.bincount(probabilities.argmax(axis=1), minlength=len(card.labels))
        return ClassReference(
            data=data,
            n=len(probabilities),
            classes=_shares(counts),
            confidence=deciles(probabilities.max(axis=1)),
            familiarity=familiarity,
        )
    prices = outputs["value"]
    return PriceReference(data=data, n=len(prices), prices=deciles(prices), familiarity=familiarity)


def deciles(values: npt.NDArray[np.float32]) -> Histogram:
    """Ten bins of equal shares, fewer where many values are all but the same. values: (N,), N >= 1."""
    edges: list[float] = []
    for quantile in np.quantile(values.astype(np.float64), np.arange(1, BINS) / BINS):
        closest = CLOSEST * max(1.0, abs(quantile))
        edge = float(f"{quantile - closest / 2:.6g}")
        if not edges or edge - edges[-1] >= closest:
            edges.append(edge)
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    return Histogram(edges=tuple(edges), shares=_shares(counts))


def write_reference(model: Model, splits: Splits) -> Path:
    """Write the reference of a file into its card, in place; all else in the file stays as it is.

    Raises DataError where these are not the pictures that the file was trained and tested on.
    """
    card = model.card
    if splits.fingerprint != card.training.fingerprint:
        raise DataError(
            f"{card.name} was trained on other pictures than these {splits.name}: among their test split may"
            " be some that it learned from. Train it again, which writes the reference too."
        )
    found = reference(card, predict(model, splits.test.pixels), f"{splits.name}, test split")
    graph = onnx.load(model.path, load_external_data=False)
    with tempfile.TemporaryDirectory(dir=model.path.parent) as work:
        path = Path(work, model.path.name)
        onnx_graph.write(graph, card.model_copy(update={"reference": found}), path)
        if _without_card(onnx.load(path)) != _without_card(onnx.load(model.path)):
            raise ZooError(f"{model.path.name} would change in more than its card; nothing was written.")
        open_model(path)
        path.replace(model.path)
    return model.path


def _without_card(graph: onnx.ModelProto) -> bytes:
    kept = [prop for prop in graph.metadata_props if prop.key != METADATA_KEY]
    del graph.metadata_props[:]
    graph.metadata_props.extend(kept)
    return graph.SerializeToString(deterministic=True)


def _shares(counts: npt.NDArray[np.intp]) -> tuple[float, ...]:
    return tuple(float(share) for share in counts / counts.sum())
