"""Training on few pictures: seeds, checkpoints, early stopping, a second training, files."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.conftest import LINEAR
from training.data import augment
from training.data.splits import DataError
from training.fitting.fit import fit
from training.fitting.result import TrainingResult
from training.fitting.train import train_recipe

pytestmark = pytest.mark.slow


def weights(result: TrainingResult) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in result.network.parameters()])


def test_same_seed_same_weights(digits):
    recipe = replace(LINEAR, augment=augment.handwriting)
    few = digits.limited(500)
    once, again, other = (fit(replace(recipe, seed=seed), few) for seed in (1, 1, 2))

    assert torch.equal(weights(once), weights(again))
    assert not torch.equal(weights(once), weights(other))


def test_training_resumes_from_its_checkpoint(digits, tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    recipe = replace(LINEAR, epochs=4, patience=9)
    whole = fit(recipe, digits)
    state = {}

    class Interrupt(Exception):
        pass

    def stop_in_the_third_epoch(pictures):
        state["calls"] = state.get("calls", 0) + 1
        if state["calls"] > 2.5 * (2000 // recipe.batch_size):
            raise Interrupt
        return pictures

    with pytest.raises(Interrupt):
        fit(replace(recipe, augment=stop_in_the_third_epoch), digits, checkpoint)
    resumed = fit(recipe, digits, checkpoint)

    assert len(resumed.history) == 4
    assert torch.equal(weights(whole), weights(resumed))


def test_early_stopping(digits):
    """A learning rate far too high makes later epochs worse than earlier ones."""
    wild = replace(LINEAR, learning_rate=3.0, epochs=30, patience=3)
    result = fit(wild, digits)
    losses = [epoch.validation_loss for epoch in result.history]

    assert len(losses) < 30
    assert len(losses) - 1 - int(np.argmin(losses)) == 3


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_trainings_of_few_steps(digits, steps):
    few = replace(LINEAR, epochs=1, batch_size=2000 // steps)

    assert np.isfinite(fit(few, digits).history[0].validation_loss)


def test_finish_trains_the_same_network_again(digits, tmp_path):
    recipe = replace(LINEAR, pages=50, finish={"epochs": 2, "learning_rate": 1e-4, "pages": 0})
    seen = []
    both = train_recipe(recipe, digits, tmp_path / "checkpoint.pt", seen.append)
    first = train_recipe(replace(recipe, finish={}), digits, tmp_path / "other.pt")

    assert [epoch.epoch for epoch in both.history] == [1, 2, 3, 4]
    assert tuple(seen) == both.history
    assert both.history[:2] == first.history
    assert both.history[2].validation_loss < first.history[0].validation_loss
    assert not torch.equal(weights(both), weights(first))


def test_result_is_saved_and_loaded(digits, tmp_path):
    result = fit(LINEAR, digits)
    result.save(tmp_path)
    loaded = TrainingResult.load(tmp_path, LINEAR)

    assert torch.equal(weights(result), weights(loaded))
    assert result.history == loaded.history


def test_untrained_recipe_cannot_be_loaded(tmp_path):
    with pytest.raises(DataError, match="training train digits-linear"):
        TrainingResult.load(tmp_path, LINEAR)
