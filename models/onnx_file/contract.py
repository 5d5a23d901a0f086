"""What a card promises of its graph, and whether the graph keeps it."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models.card import Card, ClassifierCard, Outputs
from models.image.views import Pixels
from models.onnx_file.scan import printable

Floats = npt.NDArray[np.float32]

SUM_TOLERANCE = 1e-3
"""How far the probabilities of a picture may be from summing to 1."""


class ContractViolation(Exception):
    """What the graph does instead, as the rest of a sentence that begins with the file's name."""


def check_graph(card: Card, session: ort.InferenceSession) -> None:
    """It takes any number of the view's pixels and returns the card's outputs. Raises ContractViolation."""
    inputs = {item.name: (item.type, item.shape[1:]) for item in session.get_inputs()}
    expected = {"pixels": ("tensor(uint8)", list(card.view.shape))}
    if inputs != expected:
        raise ContractViolation(f"takes {printable(str(inputs))}, but its view makes {expected}")
    count = session.get_inputs()[0].shape[0]
    if isinstance(count, int):
        raise ContractViolation(f"takes {count} pictures at a time; export it for any number of them")
    outputs = {item.name: item.type for item in session.get_outputs()}
    if outputs != dict.fromkeys(card.outputs, "tensor(float)"):
        raise ContractViolation(
            f"returns {printable(str(outputs))}, but its card promises {card.outputs}, each tensor(float)"
        )


def check_outputs(card: Card, answer: Callable[[Pixels], Outputs]) -> None:
    """It answers the golden pictures as on the day of its export, each as if it were alone, and what the
    outputs mean holds. Raises ContractViolation."""
    golden = card.golden
    if golden.shape[1:] != card.view.shape:
        raise ContractViolation(
            f"has golden pictures of {golden.shape[1:]}, but its view makes {card.view.shape}"
        )
    try:
        pixels = golden.unpack()
    except ValueError as error:
        raise ContractViolation(f"has golden pictures that cannot be used: {error}") from error
    together = _answered(answer, pixels)
    _check_meaning(card, together, len(pixels))
    for output, now in together.items():
        if not _same(output, now, _stored(card, output), golden.tolerance):
            raise ContractViolation(
                f"answers its golden pictures differently from the day of its export ({output}); the file"
                " is damaged or the runtime is wrong. Export it again"
            )
    for output, now in _answered(answer, pixels[-1:]).items():
        if not _same(output, now, together[output][-1:], golden.tolerance):
            raise ContractViolation(
                f"answers a picture differently when others are beside it ({output}); strangers' pictures"
                " share a batch"
            )


def _answered(answer: Callable[[Pixels], Outputs], pixels: Pixels) -> Outputs:
    try:
        return answer(pixels)
    # onnxruntime's exceptions share no public base class.
    except Exception as error:
        raise ContractViolation(f"fails on its golden pictures: {printable(str(error))}") from error


def _check_meaning(card: Card, answers: Outputs, count: int) -> None:
    for output, values in answers.items():
        per_picture = (len(card.labels),) if isinstance(card, ClassifierCard) else ()
        shape = (count, *per_picture) if output == "probabilities" else (count,)
        if values.shape != shape:
            raise ContractViolation(
                f"returns {output} of shape {values.shape} for {count} pictures, but its card promises"
                f" {shape}"
            )
    familiarity = answers["familiarity"]
    if not np.all((familiarity >= 0) & (familiarity <= 1)):
        raise ContractViolation("returns a familiarity that is not between 0 and 1")
    if isinstance(card, ClassifierCard):
        rows = answers["probabilities"]
        if not np.all(rows >= 0) or not np.allclose(rows.sum(axis=1), 1, atol=SUM_TOLERANCE):
            raise ContractViolation("returns probabilities that do not sum to 1")
    elif not np.all((answers["low"] <= answers["value"]) & (answers["value"] <= answers["high"])):
        raise ContractViolation("returns a value that is not between its own low and high")


def _stored(card: Card, output: str) -> Floats:
    try:
        return np.asarray(card.golden.answers.get(output, []), np.float32)
    except ValueError:  # rows of different lengths
        return np.empty(0, np.float32)


def _same(output: str, now: Floats, then: Floats, tolerance: float) -> bool:
    """As Golden.tolerance has it. NaN is the same as nothing."""
    floor = 0.0 if output in ("value", "low", "high") else 1.0
    if now.shape != then.shape:
        return False
    return bool(np.all(np.abs(now - then) <= tolerance * np.maximum(np.abs(then), floor)))
