"""The contract between a card and its graph: inputs, outputs, golden pictures."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models.card import Card, ClassifierCard, Outputs
from models.image.views import Pixels
from models.onnx_file.printable import printable

Floats = npt.NDArray[np.float32]

SUM_TOLERANCE = 1e-3
"""Largest difference between 1 and the sum of a picture's probabilities."""


class ContractViolation(Exception):
    """The graph differs from its card; the message continues the file's name."""


def check_graph(card: Card, session: ort.InferenceSession) -> None:
    """Check that the graph takes the view's pixels and returns the card's outputs.

    Raises:
        ContractViolation: Names, types or shapes differ, or the batch size is fixed.
    """
    inputs = {item.name: (item.type, item.shape[1:]) for item in session.get_inputs()}
    expected = {"pixels": ("tensor(uint8)", list(card.view.shape))}
    if inputs != expected:
        raise ContractViolation(f"takes {printable(str(inputs))}, but its view makes {expected}")
    batch_size = session.get_inputs()[0].shape[0]
    if isinstance(batch_size, int):
        raise ContractViolation(f"takes {batch_size} pictures at a time; export it for any number of them")
    outputs = {item.name: item.type for item in session.get_outputs()}
    if outputs != dict.fromkeys(card.outputs, "tensor(float)"):
        raise ContractViolation(
            f"returns {printable(str(outputs))}, but its card promises {card.outputs}, each tensor(float)"
        )


def check_outputs(card: Card, run: Callable[[Pixels], Outputs]) -> None:
    """Check the outputs for the golden pictures.

    They equal those of the export, have the shapes and ranges that the card states, and do not depend on the
    other pictures of the batch.

    Args:
        card: The card, with the golden pictures.
        run: The graph: pixels, uint8 (N, H, W, C), to its outputs.

    Raises:
        ContractViolation: One of these does not hold, or the graph fails.
    """
    golden = card.golden
    if golden.shape[1:] != card.view.shape:
        raise ContractViolation(
            f"has golden pictures of {golden.shape[1:]}, but its view makes {card.view.shape}"
        )
    try:
        pixels = golden.unpack()
    except ValueError as error:
        raise ContractViolation(f"has golden pictures that cannot be used: {error}") from error
    batch = _run(run, pixels)
    _check_ranges(card, batch, len(pixels))
    for name, values in batch.items():
        if not _is_close(name, values, _stored(card, name), golden.tolerance):
            raise ContractViolation(
                f"answers its golden pictures differently from the day of its export ({name}); the file"
                " is damaged or the runtime is wrong. Export it again"
            )
    for name, values in _run(run, pixels[-1:]).items():
        if not _is_close(name, values, batch[name][-1:], golden.tolerance):
            raise ContractViolation(
                f"answers a picture differently when others are beside it ({name}); strangers' pictures"
                " share a batch"
            )


def _run(run: Callable[[Pixels], Outputs], pixels: Pixels) -> Outputs:
    try:
        return run(pixels)
    # onnxruntime's exceptions share no public base class.
    except Exception as error:
        raise ContractViolation(f"fails on its golden pictures: {printable(str(error))}") from error


def _check_ranges(card: Card, outputs: Outputs, count: int) -> None:
    for name, values in outputs.items():
        per_picture = (len(card.labels),) if isinstance(card, ClassifierCard) else ()
        shape = (count, *per_picture) if name == "probabilities" else (count,)
        if values.shape != shape:
            raise ContractViolation(
                f"returns {name} of shape {values.shape} for {count} pictures, but its card promises {shape}"
            )
    familiarity = outputs["familiarity"]
    if not np.all((familiarity >= 0) & (familiarity <= 1)):
        raise ContractViolation("returns a familiarity that is not between 0 and 1")
    if isinstance(card, ClassifierCard):
        rows = outputs["probabilities"]
        if not np.all(rows >= 0) or not np.allclose(rows.sum(axis=1), 1, atol=SUM_TOLERANCE):
            raise ContractViolation("returns probabilities that do not sum to 1")
    elif not np.all((outputs["low"] <= outputs["value"]) & (outputs["value"] <= outputs["high"])):
        raise ContractViolation("returns a value that is not between its own low and high")


def _stored(card: Card, name: str) -> Floats:
    try:
        return np.asarray(card.golden.answers.get(name, []), np.float32)
    except ValueError:  # rows of different lengths
        return np.empty(0, np.float32)


def _is_close(name: str, values: Floats, expected: Floats, tolerance: float) -> bool:
    """Comparison by Golden.tolerance; NaN is close to nothing."""
    floor = 0.0 if name in ("value", "low", "high") else 1.0
    if values.shape != expected.shape:
        return False
    return bool(np.all(np.abs(values - expected) <= tolerance * np.maximum(np.abs(expected), floor)))
