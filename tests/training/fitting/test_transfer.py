"""Transfer learning, auxiliary tasks and cross-validation, on drawn cars."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.image.views import SquashView
from models.model import open_model
from tests.training.conftest import FEW
from training.data import augment
from training.data.synthetic.cars import drawn_cars
from training.evaluation.crossvalidate import crossvalidate
from training.export.export import export
from training.fitting.fit import fit
from training.fitting.train import train_recipe
from training.networks.architectures import to_float
from training.recipes import RECIPES

VIEW = SquashView(width=64, height=48)
RECIPE = replace(RECIPES["cars-transfer"], data="drawn-cars", view=VIEW, epochs=4, batch_size=32, hints={})


@pytest.fixture(scope="module")
def drawings():
    return drawn_cars(models=30, photos=4, view=VIEW)


@pytest.fixture(scope="module")
def transferred(drawings):
    return train_recipe(RECIPE, drawings)


@pytest.mark.slow
def test_transfer_trains_all_but_the_trunk(drawings, transferred):
    network = RECIPE.network()
    before = network.body[0].state_dict()
    after = transferred.network.body[0].state_dict()
    members = [member[0].state_dict() for member in transferred.network.body[1].members]
    convolution = next(name for name in members[0] if name.endswith("conv_head.weight"))

    assert all(torch.equal(before[name], after[name]) for name in before)
    for tail, member in zip(network.body[1].members, members, strict=True):
        assert not torch.equal(tail[0].state_dict()[convolution], member[convolution])
    assert not torch.equal(members[0][convolution], members[1][convolution])
    losses = [epoch.validation_loss for epoch in transferred.history]
    assert min(losses) < 0.8 * losses[0]


@pytest.mark.slow
def test_scores_are_the_mean_of_head_and_kernel(drawings, transferred):
    network = transferred.network
    features = network.features(to_float(torch.from_numpy(drawings.test.pixels)))
    both = network.head(features), network.kernel(features)

    assert network.kernel.weights.abs().max() > 0
    torch.testing.assert_close(network.scores(features), sum(both) / 2)
    assert torch.corrcoef(torch.cat(both, dim=1).T)[0, 1] > 0.5


@pytest.mark.slow
def test_half_weights_make_a_smaller_file_with_the_same_prices(drawings, transferred, tmp_path, data):
    """Beside torch with float32 weights, whose bytes alone a file with float32 weights would have."""
    path = export(RECIPE, transferred, drawings, tmp_path, data, FEW)
    network = transferred.network
    scores = network(to_float(torch.from_numpy(drawings.test.pixels)))[:, 0].double().detach().numpy()
    expected = np.exp(scores * transferred.scaler.std + transferred.scaler.mean)

    assert path.stat().st_size < 25e6
    assert path.stat().st_size < 0.6 * sum(4 * values.numel() for values in network.state_dict().values())
    np.testing.assert_allclose(open_model(path)(drawings.test.pixels)["value"], expected, rtol=0.01)


def test_auxiliary_task_is_learned(drawings):
    """A task that repeats the price in words is learned better than shuffled words."""
    recipe = replace(RECIPES["drawn-cars"], view=VIEW, epochs=3, augment=augment.none)
    rng = np.random.default_rng(0)
    dear = np.where(drawings.train.targets > np.median(drawings.train.targets), "dear", "cheap")
    losses = {}
    for name, words in (("true", dear), ("shuffled", rng.permutation(dear))):
        part = replace(drawings, train=replace(drawings.train, facts={"level": words}))
        losses[name] = fit(replace(recipe, hints={"level": 1.0}), part).history[-1].train_loss

    assert losses["true"] < losses["shuffled"]


def test_unknown_facts_are_ignored(drawings):
    recipe = replace(RECIPES["drawn-cars"], view=VIEW, epochs=1, hints={"maker": 0.5})
    makers = np.full(len(drawings.train), "")
    makers[:3] = ("a", "b", "a")
    part = replace(drawings, train=replace(drawings.train, facts={"maker": makers}))

    assert np.isfinite(fit(recipe, part).history[-1].train_loss)


def test_crossvalidation_never_trains_on_held_out_groups(drawings):
    seen = []

    def remember(pictures):
        seen.append(pictures.detach().clone())
        return pictures

    recipe = replace(RECIPES["drawn-cars"], view=VIEW, epochs=1, augment=remember)
    held_out = crossvalidate(recipe, drawings, folds=3, only=[1])
    trained_on = {row.numpy().round(3).tobytes() for batch in seen for row in batch}
    everything = (drawings.train, drawings.validation, drawings.calibration, drawings.test)
    held_out_prices = set(held_out.targets.tolist())

    assert 0.2 < len(held_out.targets) / sum(map(len, everything)) < 0.5
    assert trained_on
    for part in everything:
        for pixels, price in zip(part.pixels, part.targets, strict=True):
            if price in held_out_prices:
                row = (torch.from_numpy(pixels).permute(2, 0, 1).float() / 255).numpy().round(3).tobytes()
                assert row not in trained_on


def test_crossvalidation_by_picture(drawings):
    recipe = replace(RECIPES["drawn-cars"], view=VIEW, epochs=1)
    held_out = crossvalidate(recipe, drawings, folds=4, only=[0], at_random=True)
    figures = held_out.figures()

    assert set(figures) == {""}
    count, errors, constant = figures[""]
    assert count == len(held_out.targets)
    assert set(errors) == set(constant)


def test_feature_cutout_mirrors_and_cuts_but_never_moves():
    torch.manual_seed(0)
    before = 1 + torch.rand(64, 3, 13, 16)
    after = augment.feature_cutout(before.clone())
    kept = after != 0
    same = torch.where(kept, (after == before) | (after == before.flip(3)), True)

    assert after.shape == before.shape
    assert bool(same.all())
    assert 0.7 < float(kept.float().mean()) < 1
    assert float((~kept).flatten(1).any(1).float().mean()) == pytest.approx(0.5, abs=0.2)


def test_crossvalidation_trains_as_train_does(drawings):
    """A second training, which a recipe asks for, is part of each fold."""
    recipe = replace(RECIPES["drawn-cars"], view=VIEW, epochs=1)
    once, twice = (
        crossvalidate(replace(recipe, finish=finish), drawings, folds=4, only=[0])
        for finish in ({}, {"learning_rate": 1e-3})
    )

    assert np.array_equal(once.targets, twice.targets)
    assert not np.array_equal(once.predictions, twice.predictions)
