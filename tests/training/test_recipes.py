"""The recipes: their parts fit together, and a network learns by them."""

import pytest
import torch

from models.model import open_model
from training.data import augment, sources
from training.recipes import PUBLISHED, RECIPES

pytestmark = pytest.mark.slow


def test_prices_of_drawn_cars_are_learned(trained_zoo):
    measured = open_model(trained_zoo / "drawn-cars.onnx").card.measured

    assert measured.values["mape"] < 0.6 * measured.baseline["mape"]
    assert measured.values["r2_log"] > 0.5
    assert 0.75 < measured.values["coverage"] <= 1


@pytest.mark.parametrize("name", RECIPES)
def test_parts_of_a_recipe_fit_together(name):
    recipe = RECIPES[name]
    height, width, channels = recipe.view.shape
    network = recipe.network().eval()
    with torch.no_grad():
        scores = network(recipe.augment(torch.rand(4, channels, height, width)))

    assert recipe.name == name
    assert scores.shape == (4, len(recipe.labels) or 1)
    assert recipe.data in sources.SOURCES


@pytest.mark.parametrize(
    "change", [augment.handwriting, augment.garment, augment.street], ids=lambda change: change.__name__
)
def test_augmented_pictures_are_still_pictures(change):
    torch.manual_seed(0)
    channels = 3 if change is augment.street else 1
    before = torch.rand(8, channels, 28, 28)
    after = change(before.clone())

    assert after.shape == before.shape
    assert 0 <= float(after.min()) <= float(after.max()) <= 1
    assert not torch.equal(after, before)


def test_published_models_are_recipes():
    assert set(PUBLISHED) == {
        "digits-linear", "digits-mlp", "digits-cnn", "digits-numpy-linear", "digits-numpy-mlp", "fashion-cnn",
        "cars-mlp", "cars-cnn", "cars-transfer",
    }  # fmt: skip
