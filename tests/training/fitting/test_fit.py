"""Fitting on small data, for real: seeds, checkpoints, early stopping, what is kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.conftest import LINEAR
from training.data import augment
from training.data import splits as datasets
from training.fitting.fit import fit
from training.fitting.result import TrainingResult
from training.fitting.train import train_recipe


def weights(fitted: TrainingResult) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in fitted.network.parameters()])


def test_same_seed_same_weights(digits):
    recipe = replace(LINEAR, augment=augment.handwriting)
    once, again, other = (fit(replace(recipe, seed=seed), digits) for seed in (1, 1, 2))

    assert torch.equal(weights(once), weights(again))
    assert not torch.equal(weights(once), weights(other))


def test_training_goes_on_from_its_checkpoint(digits, tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    recipe = replace(LINEAR, epochs=4, patience=9)
    whole = fit(recipe, digits)
    interrupted = replace(recipe)
    state = {}

    class Interrupt(Exception):
        pass

    def stop_in_the_third_epoch(pictures):
        state["calls"] = state.get("calls", 0) + 1
        if state["calls"] > 2.5 * (2000 // recipe.batch_size):
            raise Interrupt
        return pictures

    with pytest.raises(Interrupt):
        fit(replace(interrupted, augment=stop_in_the_third_epoch), digits, checkpoint)
    resumed = fit(recipe, digits, checkpoint)

    assert len(resumed.history) == 4
    assert torch.equal(weights(whole), weights(resumed))


def test_the_best_epoch_is_kept_and_training_stops_early(digits):
    """A learning rate far too high makes later epochs worse than earlier ones."""
    wild = replace(LINEAR, learning_rate=3.0, epochs=30, patience=3)
    fitted = fit(wild, digits)
    losses = [epoch.validation_loss for epoch in fitted.history]

    assert len(losses) < 30
    assert len(losses) - 1 - int(np.argmin(losses)) == 3


def test_a_second_training_goes_on_with_the_same_network(digits, tmp_path):
    recipe = replace(LINEAR, pages=50, finish={"epochs": 2, "learning_rate": 1e-4, "pages": 0})
    seen = []
    fitted = train_recipe(recipe, digits, tmp_path / "checkpoint.pt", seen.append)
    first = train_recipe(replace(recipe, finish={}), digits, tmp_path / "other.pt")

    assert [epoch.epoch for epoch in fitted.history] == [1, 2, 3, 4]
    assert tuple(seen) == fitted.history
    assert fitted.history[:2] == first.history
    assert fitted.history[2].validation_loss < first.history[0].validation_loss
    assert not torch.equal(weights(fitted), weights(first))


def test_fitted_survives_the_disk(digits, tmp_path):
    fitted = fit(LINEAR, digits)
    fitted.save(tmp_path)
    loaded = TrainingResult.load(tmp_path, LINEAR)

    assert torch.equal(weights(fitted), weights(loaded))
    assert fitted.history == loaded.history


def test_what_was_never_trained_cannot_be_loaded(tmp_path):
    with pytest.raises(datasets.DataError, match="training train digits-linear"):
        TrainingResult.load(tmp_path, LINEAR)
