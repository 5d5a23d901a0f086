"""The zoo: a folder of .onnx files, each with its card. Find them, verify them, open them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from pydantic import ValidationError

from models.card import METADATA_KEY, Answers, Card, read_card
from models.views import Pixels

ZOO = Path(__file__).parent / "zoo"
"""The models that come with the repository."""

CPU = "CPUExecutionProvider"

Providers = Sequence[str | tuple[str, dict[str, str]]]


class ZooError(Exception):
    """A model file that must not be used; the message says why and what to do."""


@dataclass(frozen=True)
class Model:
    """An open, verified model file. Calling it is thread-safe."""

    card: Card
    session: ort.InferenceSession
    path: Path

    def __call__(self, pixels: Pixels) -> Answers:
        """pixels: uint8 (N, H, W, C) as the card's view makes them; N >= 1."""
        names = list(self.card.outputs)
        return dict(zip(names, self.session.run(names, {"pixels": pixels}), strict=True))


def find(folder: Path = ZOO) -> list[Path]:
    """The model files of a folder, by name. Raises ZooError where there is no such folder."""
    if not folder.is_dir():
        raise ZooError(f"{folder} is no folder; point MODELS_DIR at one with .onnx files.")
    return sorted(folder.glob("*.onnx"))


def open_model(path: Path, providers: Providers = (CPU,), options: ort.SessionOptions | None = None) -> Model:
    """Open one file and hold it to its card: name, input, outputs, and the golden answers.

    Raises ZooError.
    """
    try:
        session = ort.InferenceSession(path, options, providers=list(providers))
    # onnxruntime's exceptions share no public base class.
    except Exception as error:
        raise ZooError(f"{path.name} does not open as an ONNX model: {error}") from error
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise ZooError(f"{path.name} carries no card; export it with `python -m training export`.")
    try:
        card = read_card(text)
    except ValidationError as error:
        raise ZooError(f"{path.name} carries a card that is not valid: {error}") from error
    model = Model(card, session, path)
    _check_name(model)
    _check_graph(model)
    _check_golden(model)
    return model


def _check_name(model: Model) -> None:
    if model.card.name != model.path.stem:
        raise ZooError(
            f"{model.path.name} says it is {model.card.name!r}; name the file {model.card.name}.onnx."
        )


def _check_graph(model: Model) -> None:
    inputs = {item.name: (item.type, item.shape[1:]) for item in model.session.get_inputs()}
    expected = {"pixels": ("tensor(uint8)", list(model.card.view.shape))}
    if inputs != expected:
        raise ZooError(f"{model.path.name} takes {inputs}, but its view makes {expected}.")
    outputs = {item.name for item in model.session.get_outputs()}
    if outputs != set(model.card.outputs):
        raise ZooError(
            f"{model.path.name} returns {sorted(outputs)}, but its card promises {model.card.outputs}."
        )


def _check_golden(model: Model) -> None:
    golden = model.card.golden
    for name, now in model(golden.unpack()).items():
        then = np.asarray(golden.answers.get(name, []), np.float32)
        floor = 0.0 if name in ("value", "low", "high") else 1.0
        allowed = golden.tolerance * np.maximum(np.abs(then), floor)
        if now.shape != then.shape or not np.all(np.abs(now - then) <= allowed):
            raise ZooError(
                f"{model.path.name} answers its golden pictures differently from the day of its"
                f" export ({name}); the file is damaged or the runtime is wrong. Export it again."
            )
