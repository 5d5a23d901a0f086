"""The fields of the samples of a FiftyOne dataset: truth, prediction, interval, error and familiarity."""

import base64
import io
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.card import Card, ClassifierCard, Outputs
from training.data.splits import Examples
from training.evaluation.fiftyone.document import Document


def answers(card: Card, examples: Examples, outputs: Outputs) -> Iterator[Document]:
    """The fields of each picture by name."""
    columns = (
        _classes(card, examples, outputs) if isinstance(card, ClassifierCard) else _prices(examples, outputs)
    )
    familiarity = outputs["familiarity"].astype(np.float64)
    columns |= {
        "familiar": (familiarity >= card.familiarity_threshold).tolist(),
        "familiarity": familiarity.tolist(),
    }
    facts = dict(examples.facts)
    if examples.groups is not None:
        facts["group"] = examples.groups
    known = {fact: values for fact, values in facts.items() if any(values)}
    columns |= {fact: [str(value) or None for value in values] for fact, values in known.items()}
    for row in zip(*columns.values(), strict=True):
        yield dict(zip(columns, row, strict=True))


def _classes(card: ClassifierCard, examples: Examples, outputs: Outputs) -> dict[str, Sequence[Any]]:
    """Columns of a classifier. The logits are logarithms of the calibrated probabilities."""
    probabilities = outputs["probabilities"].astype(np.float64)
    true, told = examples.targets.astype(np.int64), probabilities.argmax(axis=1)
    logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    every = np.arange(len(examples))
    return {
        "ground_truth": [{"_cls": "Classification", "label": card.labels[index]} for index in true],
        "prediction": [
            {
                "_cls": "Classification",
                "label": card.labels[index],
                "confidence": float(row[index]),
                "logits": _vector(scores),
            }
            for index, row, scores in zip(told, probabilities, logits, strict=True)
        ],
        "correct": (true == told).tolist(),
        "error": (1 - probabilities[every, true]).tolist(),
    }


def _prices(examples: Examples, outputs: Outputs) -> dict[str, Sequence[Any]]:
    """Columns of a regressor, in the unit of its card; the relative error is a fraction of the true price."""
    price, value = examples.targets.astype(np.float64), outputs["value"].astype(np.float64)
    low, high = outputs["low"].astype(np.float64), outputs["high"].astype(np.float64)
    error = np.abs(value - price)
    return {
        "ground_truth": [{"_cls": "Regression", "value": number} for number in price.tolist()],
        "prediction": [{"_cls": "Regression", "value": number} for number in value.tolist()],
        "low": low.tolist(),
        "high": high.tolist(),
        "inside": ((low <= price) & (price <= high)).tolist(),
        "absolute_error": error.tolist(),
        "relative_error": (error / price).tolist(),
    }


def _vector(values: npt.NDArray[np.float64]) -> Document:
    """An array as FiftyOne's VectorField keeps it: a deflated .npy file."""
    file = io.BytesIO()
    np.save(file, values, allow_pickle=False)
    packed = base64.b64encode(zlib.compress(file.getvalue())).decode()
    return {"$binary": {"base64": packed, "subType": "00"}}
