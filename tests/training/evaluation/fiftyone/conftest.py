"""Two FiftyOne datasets on disk: digits with classes, drawn cars with prices."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from models.card import Outputs
from models.model import ZOO, Model, open_model
from training.data.splits import Examples, Splits
from training.data.synthetic.cars import draw, draw_model
from training.evaluation.evaluate import predict
from training.evaluation.fiftyone.dataset import write_dataset


@dataclass(frozen=True)
class Written:
    """A dataset on disk, and what it was made of."""

    folder: Path
    model: Model
    examples: Examples
    outputs: Outputs


def write(folder: Path, name: str, examples: Examples) -> Written:
    model = open_model(ZOO / f"{name}.onnx")
    outputs = predict(model, examples.pixels)
    write_dataset(folder, name, model.card, "a-set", "test", examples, outputs)
    return Written(folder, model, examples, outputs)


@pytest.fixture(scope="module")
def digits(mnist: Splits, tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write(tmp_path_factory.mktemp("digits"), "digits-linear", mnist.test[:300])


@pytest.fixture(scope="module")
def cars(tmp_path_factory: pytest.TempPathFactory) -> Written:
    view = open_model(ZOO / "cars-mlp.onnx").card.view
    rng = np.random.default_rng(5)
    pixels = np.stack([view(np.asarray(draw(draw_model(rng), rng))) for _ in range(6)])
    facts = {"maker": np.array(["a", "b", "", "", "c", "d"])}
    prices = np.array([9_000.0, 18_000, 27_000, 36_000, 45_000, 90_000.5])
    examples = Examples(pixels, prices, np.array([f"g{index}" for index in range(6)]), facts)
    return write(tmp_path_factory.mktemp("cars"), "cars-mlp", examples)
