"""The zoo: a folder of .onnx files, each with its card. Find them, verify them, open them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort
from pydantic import ValidationError

from models.card import METADATA_KEY, Card, Outputs, read_card
from models.image.views import Pixels
from models.onnx_file.contract import ContractViolation, check_graph, check_outputs
from models.onnx_file.file import FileStamp, OnnxFile, read_onnx
from models.onnx_file.scan import OnnxFileError, printable

ZOO = Path(__file__).parent / "zoo"
"""The models that come with the repository."""

SUFFIX = ".onnx"

CPU = "CPUExecutionProvider"

Providers = Sequence[str | tuple[str, dict[str, str]]]


class ZooError(Exception):
    """A model file that must not be used; the message says why and what to do."""


@dataclass(frozen=True)
class Model:
    """An open, verified model file. Calling it is thread-safe.

    sha256: of the whole file, in hex. stamp: of the file when it was read.
    """

    card: Card
    session: ort.InferenceSession
    path: Path
    sha256: str
    stamp: FileStamp

    def __call__(self, pixels: Pixels) -> Outputs:
        """pixels: uint8 (N, H, W, C) as the card's view makes them; N >= 1."""
        names = list(self.card.outputs)
        return dict(zip(names, self.session.run(names, {"pixels": pixels}), strict=True))


def find_model_files(folder: Path = ZOO) -> list[Path]:
    """The model files of a folder, by name. Raises ZooError where there is no such folder.

    Names that begin with a dot are left alone: copying tools write under such before they rename.
    """
    if not folder.is_dir():
        raise ZooError(f"{folder} is no folder; point MODELS_DIR at one with .onnx files.")
    return sorted(path for path in folder.glob("*" + SUFFIX) if not path.name.startswith("."))


def open_model(path: Path, providers: Providers = (CPU,), options: ort.SessionOptions | None = None) -> Model:
    """Open one file and hold it to its card: name, input, outputs, and the golden answers.

    Raises ZooError.
    """
    return open_model_file(read_model_file(path), providers, options)


def read_model_file(path: Path) -> OnnxFile:
    """All of one file, which onnxruntime has not seen yet. Raises ZooError."""
    try:
        return read_onnx(path)
    except OnnxFileError as error:
        raise _does_not_open(path, str(error)) from None


def open_model_file(
    file: OnnxFile, providers: Providers = (CPU,), options: ort.SessionOptions | None = None
) -> Model:
    """As open_model, for a file that was read. Nothing else of the file system is opened.

    Raises ZooError.
    """
    name = file.path.name
    text = file.metadata.get(METADATA_KEY)
    if text is None:
        raise ZooError(f"{name} carries no card; export it with `python -m training export`.")
    try:
        card = read_card(text)
    except ValidationError as error:
        raise ZooError(f"{name} carries a card that is not valid: {_first(error)}") from None
    if card.name != file.path.stem:
        raise ZooError(f"{printable(name)} says it is {card.name!r}; name the file {card.name}.onnx.")
    model = Model(card, _session(file, providers, options), file.path, file.sha256, file.stamp)
    try:
        check_graph(card, model.session)
        check_outputs(card, model)
    except ContractViolation as error:
        raise ZooError(f"{name} {error}.") from error
    return model


def _session(
    file: OnnxFile, providers: Providers, options: ort.SessionOptions | None
) -> ort.InferenceSession:
    options = options or ort.SessionOptions()
    # By its first bytes it could say that it is of onnxruntime's own format, which we did not look through.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        session = ort.InferenceSession(file.data, options, providers=list(providers))
    # onnxruntime's exceptions share no public base class.
    except Exception as error:
        raise _does_not_open(file.path, printable(str(error))) from error
    # A run that fails is an error, not the beginning of another session on the CPU; without that,
    # nobody needs the file's bytes any more, which onnxruntime would keep for it.
    session.disable_fallback()
    session._model_bytes = None
    return session


def _does_not_open(path: Path, why: str) -> ZooError:
    return ZooError(f"{printable(path.name)} does not open as an ONNX model: {why}.")


def _first(error: ValidationError) -> str:
    """The first three things that are wrong: a stranger's card can have a million."""
    wrong = error.errors(include_url=False, include_input=False)
    said = "; ".join(printable(f"{'.'.join(map(str, e['loc']))}: {e['msg']}") for e in wrong[:3])
    return said if len(wrong) <= 3 else f"{said}; and {len(wrong) - 3:,} more"
