"""What a model was made of and answered then, so that it can be checked, grown and removed by its name."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from models.atomic import replacing, write_atomically
from models.card import Outputs
from models.model import open_model
from training.data.splits import DataError

OWN = "own pictures: "
"""Start of the name that a card gives to the data of a model that `new` made."""


def is_own(path: Path) -> bool:
    """Whether `new` made this model file, whatever is remembered of it.

    Raises:
        ZooError: It does not open.
    """
    return open_model(path).card.training.name.startswith(OWN)


@dataclass(frozen=True)
class Origin:
    """What `new` was told.

    Attributes:
        folder: Of the pictures, absolute.
        target: The column of the table; None for the usual one.
        view: The kind of the view.
        trunk: What described the pictures.
        unit: Of numbers.
        basis: What a number means.
        scale: On which numbers are learned.
        balanced: Each class counts the same, however many pictures it has.
        fine_tune: Whether the last blocks of the trunk learn too.
    """

    folder: str
    target: str | None
    view: str
    trunk: str
    unit: str
    basis: str
    scale: Literal["log", "linear"] = "log"
    balanced: bool = False
    fine_tune: Literal["auto", "never", "always"] = "auto"

    def save(self, name: str, root: Path) -> None:
        """Remember it under the name of a model."""
        write_atomically(_path(name, root), json.dumps(asdict(self), indent=1) + "\n")

    @staticmethod
    def load(name: str, root: Path) -> "Origin":
        """What a model was made of.

        Raises:
            DataError: No model of this name was made here.
        """
        try:
            return Origin(**json.loads(_path(name, root).read_text()))
        except FileNotFoundError:
            raise DataError(f"No model {name!r} was made here: run `python -m training new`.") from None
        except (ValueError, TypeError) as error:
            raise DataError(f"{_path(name, root)} is damaged ({error}): run `new` again.") from None


@dataclass(frozen=True)
class Unseen:
    """What was answered to each picture of a model's folder by heads that had left it out.

    A later file is compared by it: the model's own answers to pictures that it was fitted to are too good.
    Not in the model's file, which must not tell of its owner's pictures.

    Attributes:
        version: Of the model.
        digests: sha256 of each picture's file, in hex.
        outputs: One row for each of them.
    """

    version: str
    digests: tuple[str, ...]
    outputs: Outputs

    def save(self, name: str, root: Path) -> None:
        """Remember it under the name of a model."""
        with replacing(_unseen_path(name, root)) as partial:
            np.savez(partial, version=self.version, digests=np.array(self.digests), **self.outputs)  # type: ignore[arg-type]

    @staticmethod
    def load(name: str, version: str, root: Path) -> "Unseen":
        """What was answered when this version of a model was made.

        Raises:
            DataError: It is not known, or damaged.
        """
        path = _unseen_path(name, root)
        again = f"run `python -m training new {name}` again with its folder."
        if not path.exists():
            raise DataError(f"What {name} answers to pictures it has not seen was not kept: {again}")
        try:
            with path.open("rb") as file, np.load(file) as archive:
                values = dict(archive.items())
            unseen = Unseen(str(values.pop("version")), tuple(map(str, values.pop("digests"))), values)
        except Exception as error:  # zipfile and NumPy raise half a dozen types for damaged files
            raise DataError(f"{path} is damaged ({error}): {again}") from None
        if unseen.version != version:
            raise DataError(f"{path} is of version {unseen.version}, the model of {version}: {again}")
        return unseen


def forget(name: str, root: Path) -> bool:
    """Remove what is remembered of a model; whether there was anything."""
    paths = [path for path in (_path(name, root), _unseen_path(name, root)) if path.exists()]
    for path in paths:
        path.unlink()
    return bool(paths)


def _path(name: str, root: Path) -> Path:
    return root / "custom" / f"{name}.json"


def _unseen_path(name: str, root: Path) -> Path:
    return root / "custom" / f"{name}.npz"
