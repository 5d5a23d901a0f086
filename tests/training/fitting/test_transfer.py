"""Transfer learning, auxiliary tasks and cross-validation, on drawn cars."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from models.image.views import SquashView
from models.model import open_model
from tests.training.conftest import FEW
from training.data import augment
from training.data.synthetic.cars import drawn_cars
from training.evaluation.crossvalidate import crossvalidate
from training.export.export import export
from training.fitting.fit import fit
from training.fitting.train import train_recipe
from training.networks.architectures import Ensemble, Network, to_float
from training.networks.kernel_ridge import KernelRidge
from training.recipes import RECIPES

pytestmark = pytest.mark.slow

VIEW = SquashView(width=64, height=48)
PRETRAINED = replace(
    RECIPES["cars-transfer"], data="drawn-cars", view=VIEW, epochs=1, batch_size=32, hints={}
)


def small_ensemble() -> Network:
    """As cars_transfer, with one convolution each instead of EfficientNet's parts.

    Seeded: a pretrained trunk has the same weights each time, too.
    """
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Conv2d(3, 16, 5, stride=4, padding=2), nn.ReLU())
    tails = Ensemble(
        nn.Sequential(
            nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Flatten(), nn.Linear(32 * 8 * 6, 32), nn.ReLU(),
        )
        for _ in range(2)
    )  # fmt: skip
    body = nn.Sequential(trunk, tails)
    return Network(body, nn.Linear(64, 1), (0.5,) * 3, (0.25,) * 3, KernelRidge(64, landmarks=50))


SMALL = replace(PRETRAINED, network=small_ensemble, epochs=10, learning_rate=1e-2)


@pytest.fixture(scope="module")
def drawings():
    return drawn_cars(models=60, photos=4, view=VIEW)


@pytest.fixture(scope="module")
def transferred(drawings):
    return train_recipe(SMALL, drawings)


def test_transfer_trains_all_but_the_trunk(transferred):
    before, after = small_ensemble().body[0].state_dict(), transferred.network.body[0].state_dict()
    first, second = (member[0].weight for member in transferred.network.body[1].members)
    losses = [epoch.validation_loss for epoch in transferred.history]

    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not torch.equal(first, second)
    assert min(losses) < 0.8 * losses[0]


def test_scores_are_the_mean_of_head_and_kernel(drawings, transferred):
    network = transferred.network
    features = network.features(to_float(torch.from_numpy(drawings.test.pixels)))
    both = network.head(features), network.kernel(features)

    assert network.kernel.weights.abs().max() > 0
    torch.testing.assert_close(network.scores(features), sum(both) / 2)
    assert torch.corrcoef(torch.cat(both, dim=1).T)[0, 1] > 0.5


@pytest.mark.slow
def test_pretrained_network_is_trained_and_exported(tmp_path, data):
    """EfficientNet-Lite2, trained for a moment; its file holds float16 weights and gives torch's prices."""
    few = drawn_cars(models=10, photos=2, view=VIEW)
    before = PRETRAINED.network()
    result = train_recipe(PRETRAINED, few)
    network = result.network
    members = [member[0].state_dict() for member in network.body[1].members]
    convolution = next(name for name in members[0] if name.endswith("conv_head.weight"))

    assert all(
        torch.equal(values, network.body[0].state_dict()[name])
        for name, values in before.body[0].state_dict().items()
    )
    for tail, member in zip(before.body[1].members, members, strict=True):
        assert not torch.equal(tail[0].state_dict()[convolution], member[convolution])
    assert not torch.equal(members[0][convolution], members[1][convolution])

    path = export(PRETRAINED, result, few, tmp_path, data, FEW)
    with torch.no_grad():
        scores = network(to_float(torch.from_numpy(few.test.pixels)))[:, 0].double().numpy()
    expected = np.exp(scores * result.scaler.std + result.scaler.mean)
    float32_bytes = sum(4 * values.numel() for values in network.state_dict().values())

    assert path.stat().st_size < 25e6
    assert path.stat().st_size < 0.6 * float32_bytes
    np.testing.assert_allclose(open_model(path)(few.test.pixels)["value"], expected, rtol=0.01)


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
