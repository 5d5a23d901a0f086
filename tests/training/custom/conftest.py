"""A folder of drawn pictures in three classes: nothing to download."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data.synthetic import outliers

PER_CLASS = 12


@pytest.fixture(scope="session")
def three_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """car/, hills/ and word/, twelve pictures each."""
    root = tmp_path_factory.mktemp("mine") / "things"
    kinds: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
        "car": outliers.drawn_car, "hills": outliers.landscape, "word": outliers.letters,
    }  # fmt: skip
    rng = np.random.default_rng(0)
    for name, make in kinds.items():
        (root / name).mkdir(parents=True)
        for number in range(PER_CLASS):
            Image.fromarray(make(rng)).save(root / name / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def own_data(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose `custom` is its own; what is downloaded, drawn and described is the clone's."""
    root = tmp_path_factory.mktemp("data")
    for child in data.iterdir():
        if child.name != "custom":
            (root / child.name).symlink_to(child)
    return root
