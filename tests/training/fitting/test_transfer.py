"""Transfer and cross-validation, on drawn cars: what is trained, what is not, and on what it is judged."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.image.views import SquashView
from models.model import open_model
from training.data import augment
from training.data.synthetic.cars import drawn_cars
from training.evaluation.crossvalidate import crossvalidate
from training.export.export import export
from training.fitting.fit import fit, to_float
from training.fitting.transfer import fit_transfer
from training.recipes import RECIPES

VIEW = SquashView(width=64, height=48)
RECIPE = replace(RECIPES["cars-transfer"], data="drawn-cars", view=VIEW, epochs=4, batch_size=32, hints={})


@pytest.fixture(scope="module")
def drawings():
    return drawn_cars(models=30, photos=4, view=VIEW)


@pytest.mark.slow
def test_transfer_trains_what_follows_the_trunk_and_nothing_else(drawings, tmp_path, data):
    network = RECIPE.network()
    before = network.body[0].state_dict()
    tails = [member[0].state_dict() for member in network.body[1].members]
    fitted = fit_transfer(RECIPE, drawings)
    after = fitted.network.body[0].state_dict()
    members = fitted.network.body[1].members

    assert all(torch.equal(before[name], after[name]) for name in before)
    for tail, member in zip(tails, members, strict=True):
        assert not torch.equal(tail["conv_head.weight"], member[0].conv_head.weight)
    assert not torch.equal(members[0][0].conv_head.weight, members[1][0].conv_head.weight)
    losses = [epoch.validation_loss for epoch in fitted.history]
    assert min(losses) < 0.8 * losses[0]
    kernel = fitted.network.kernel
    assert kernel.weights.abs().max() > 0
    features = fitted.network.features(to_float(torch.from_numpy(drawings.test.pixels)))
    both = fitted.network.head(features), kernel(features)
    torch.testing.assert_close(fitted.network.scores(features), sum(both) / 2)
    assert torch.corrcoef(torch.cat(both, dim=1).T)[0, 1] > 0.5

    path = export(RECIPE, fitted, drawings, tmp_path, data)
    assert path.stat().st_size < 25e6
    full = replace(RECIPE, half_weights=False, name="cars-full")
    whole = export(full, fitted, drawings, tmp_path, data)
    assert path.stat().st_size < 0.6 * whole.stat().st_size
    halved, unhalved = (open_model(file)(drawings.test.pixels)["value"] for file in (path, whole))
    np.testing.assert_allclose(halved, unhalved, rtol=0.01)


def test_hints_are_learned_beside_the_price(drawings):
    """A hint that is the price itself in words pulls the features: the loss is lower than of noise."""
    recipe = replace(RECIPES["drawn-cars"], view=VIEW, epochs=3, augment=augment.none)
    rng = np.random.default_rng(0)
    dear = np.where(drawings.train.targets > np.median(drawings.train.targets), "dear", "cheap")
    losses = {}
    for name, words in (("true", dear), ("shuffled", rng.permutation(dear))):
        part = replace(drawings, train=replace(drawings.train, facts={"level": words}))
        losses[name] = fit(replace(recipe, hints={"level": 1.0}), part).history[-1].train_loss

    assert losses["true"] < losses["shuffled"]


def test_unknown_facts_give_no_hint(drawings):
    recipe = replace(RECIPES["drawn-cars"], view=VIEW, epochs=1, hints={"maker": 0.5})
    nobody = np.full(len(drawings.train), "")
    nobody[:3] = ("a", "b", "a")
    part = replace(drawings, train=replace(drawings.train, facts={"maker": nobody}))

    assert np.isfinite(fit(recipe, part).history[-1].train_loss)


def test_crossvalidation_prices_every_picture_by_a_network_that_never_saw_its_group(drawings):
    seen = []

    def remember(pictures):
        seen.append(pictures.detach().clone())
        return pictures

    recipe = replace(RECIPES["drawn-cars"], view=VIEW, epochs=1, augment=remember)
    held_out = crossvalidate(recipe, drawings, folds=3, only=[1])
    trained_on = {row.numpy().round(3).tobytes() for batch in seen for row in batch}
    everything = (drawings.train, drawings.validation, drawings.calibration, drawings.test)
    prices_held = set(held_out.truth.tolist())

    assert 0.2 < len(held_out.truth) / sum(map(len, everything)) < 0.5
    assert trained_on
    for part in everything:
        for pixels, price in zip(part.pixels, part.targets, strict=True):
            if price in prices_held:
                row = (torch.from_numpy(pixels).permute(2, 0, 1).float() / 255).numpy().round(3).tobytes()
                assert row not in trained_on


def test_a_split_by_picture_has_the_same_groups_on_both_sides(drawings):
    recipe = replace(RECIPES["drawn-cars"], view=VIEW, epochs=1)
    held_out = crossvalidate(recipe, drawings, folds=4, only=[0], at_random=True)
    figures = held_out.figures()

    assert set(figures) == {""}
    count, errors, constant = figures[""]
    assert count == len(held_out.truth)
    assert set(errors) == set(constant)


def test_maps_are_mirrored_and_cut_but_never_moved():
    torch.manual_seed(0)
    before = 1 + torch.rand(64, 3, 13, 16)
    after = augment.feature_cutout(before.clone())
    kept = after != 0
    same = torch.where(kept, (after == before) | (after == before.flip(3)), True)

    assert after.shape == before.shape
    assert bool(same.all())
    assert 0.7 < float(kept.float().mean()) < 1
    assert float((~kept).flatten(1).any(1).float().mean()) == pytest.approx(0.5, abs=0.2)
