"""Which folder a model was made of, so that it can be checked, grown and removed by its name."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from models.atomic import write_atomically
from training.data.splits import DataError


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
    """

    folder: str
    target: str | None
    view: str
    trunk: str
    unit: str
    basis: str

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


def forget(name: str, root: Path) -> bool:
    """Remove what is remembered of a model; whether there was anything."""
    path = _path(name, root)
    known = path.exists()
    path.unlink(missing_ok=True)
    return known


def _path(name: str, root: Path) -> Path:
    return root / "custom" / f"{name}.json"
