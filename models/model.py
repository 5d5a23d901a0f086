"""Models: .onnx files, found in a folder, verified against their cards, opened."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort
from pydantic import ValidationError

from models.card import METADATA_KEY, Card, Outputs, read_card
from models.image.views import Pixels
from models.onnx_file.contract import ContractViolation, check_graph, check_outputs
from models.onnx_file.file import FileStamp, OnnxFile, read_onnx
from models.onnx_file.printable import printable
from models.onnx_file.scan import OnnxFileError

ZOO = Path(__file__).parent / "zoo"
"""The folder of the models that come with the repository."""

SUFFIX = ".onnx"

CPU = "CPUExecutionProvider"

Providers = Sequence[str | tuple[str, dict[str, str]]]
"""onnxruntime's execution providers, by priority, with their options."""

MAX_CARD_ERRORS = 3
"""Errors of a card in one message: an untrusted card can have a million."""


class ZooError(Exception):
    """A model file or folder that must not be used; the message says what to do."""


@dataclass(frozen=True)
class Model:
    """An open, verified model file. Calling it is thread-safe.

    Attributes:
        sha256: Of the whole file, in hex.
        stamp: Of the file when it was read.
        run_s: Seconds of CPU time that the session takes for one picture; infinite where it was not measured.
    """

    card: Card
    session: ort.InferenceSession
    path: Path
    sha256: str
    stamp: FileStamp
    run_s: float = math.inf

    def __call__(self, pixels: Pixels) -> Outputs:
        """Run the graph on pixels of the card's view: uint8 (N, H, W, C), N >= 1."""
        names = list(self.card.outputs)
        return dict(zip(names, self.session.run(names, {"pixels": pixels}), strict=True))


def is_model_file(name: str) -> bool:
    """Whether a file of this name in a zoo is a model.

    A leading dot excludes it: copying tools, and models/atomic.py, write under such a name and then rename.
    """
    return name.endswith(SUFFIX) and not name.startswith(".")


def find_model_files(folder: Path = ZOO) -> list[Path]:
    """The model files of a folder, sorted by name.

    Raises:
        ZooError: There is no such folder.
    """
    if not folder.is_dir():
        raise ZooError(f"{folder} is no folder; point MODELS_DIR at one with .onnx files.")
    return sorted(path for path in folder.glob("*" + SUFFIX) if is_model_file(path.name))


def open_model(path: Path, providers: Providers = (CPU,), options: ort.SessionOptions | None = None) -> Model:
    """Read, verify and open a model file.

    Raises:
        ZooError: The file is not to be trusted, or differs from its card.
    """
    return open_model_file(read_model_file(path), providers, options)


def read_model_file(path: Path) -> OnnxFile:
    """Read and scan a model file, without onnxruntime.

    Raises:
        ZooError: It cannot be read or is not to be trusted.
    """
    try:
        return read_onnx(path)
    except OnnxFileError as error:
        raise _does_not_open(path, str(error)) from None


def open_model_file(
    file: OnnxFile, providers: Providers = (CPU,), options: ort.SessionOptions | None = None
) -> Model:
    """Verify a file's name, inputs, outputs and golden pictures, and open it.

    Reads nothing more from the file system.

    Raises:
        ZooError: It differs from its card, or onnxruntime does not open it.
    """
    name = file.path.name
    text = file.metadata.get(METADATA_KEY)
    if text is None:
        raise ZooError(f"{name} carries no card; export it with `python -m training export`.")
    try:
        card = read_card(text)
    except ValidationError as error:
        raise ZooError(f"{name} carries a card that is not valid: {_summary(error)}") from None
    if card.name != file.path.stem:
        raise ZooError(f"{printable(name)} says it is {card.name!r}; name the file {card.name}.onnx.")
    model = Model(card, _open_session(file, providers, options), file.path, file.sha256, file.stamp)
    try:
        check_graph(card, model.session)
        check_outputs(card, model)
    except ContractViolation as error:
        raise ZooError(f"{name} {error}.") from error
    return model


def _open_session(
    file: OnnxFile, providers: Providers, options: ort.SessionOptions | None
) -> ort.InferenceSession:
    options = options or ort.SessionOptions()
    # Force ONNX: the magic number of onnxruntime's own format would bypass the scan.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        session = ort.InferenceSession(file.data, options, providers=list(providers))
    # onnxruntime's exceptions share no public base class.
    except Exception as error:
        raise _does_not_open(file.path, printable(str(error))) from error
    # A failed run raises instead of opening another session on the CPU; that session is what onnxruntime
    # keeps the file's bytes for.
    session.disable_fallback()
    session._model_bytes = None
    return session


def _does_not_open(path: Path, reason: str) -> ZooError:
    return ZooError(f"{printable(path.name)} does not open as an ONNX model: {reason}.")


def _summary(error: ValidationError) -> str:
    """The first MAX_CARD_ERRORS errors, and how many more there are."""
    errors = error.errors(include_url=False, include_input=False)
    first = "; ".join(
        printable(f"{'.'.join(map(str, item['loc']))}: {item['msg']}") for item in errors[:MAX_CARD_ERRORS]
    )
    more = len(errors) - MAX_CARD_ERRORS
    return f"{first}; and {more:,} more" if more > 0 else first
