"""Training in NumPy: the same figures as torch's step by step, seeds, checkpoints, a file that is served."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.model import ZOO, open_model
from tests.support.http_calls import post
from tests.training.conftest import FEW
from training.data import augment
from training.data.splits import DataError
from training.export.export import export
from training.fitting.from_scratch.fit import fit_by_hand
from training.fitting.result import TrainingResult
from training.fitting.train import train_recipe
from training.networks.architectures import digits_cnn, digits_mlp, to_float
from training.recipes import RECIPES

pytestmark = pytest.mark.slow

LINEAR = replace(RECIPES["digits-numpy-linear"], epochs=3, floors={})
MLP = replace(
    RECIPES["digits-numpy-mlp"],
    network=lambda: digits_mlp(32),
    augment=augment.handwriting,
    epochs=3,
    floors={},
)
RULES = pytest.mark.parametrize("recipe", [LINEAR, MLP], ids=lambda recipe: recipe.by_hand)


def weights(result: TrainingResult) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in result.network.parameters()])


@RULES
def test_same_seed_same_weights(recipe, digits):
    few = digits.limited(500)
    once, again, other = (fit_by_hand(replace(recipe, seed=seed), few) for seed in (1, 1, 2))

    assert torch.equal(weights(once), weights(again))
    assert not torch.equal(weights(once), weights(other))


@RULES
def test_training_resumes_from_its_checkpoint(recipe, digits, tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    whole, seen = fit_by_hand(recipe, digits), []

    class Interrupt(Exception):
        pass

    def stop_after_the_first(epoch):
        seen.append(epoch)
        if epoch.epoch == 2:
            raise Interrupt

    with pytest.raises(Interrupt):
        fit_by_hand(recipe, digits, checkpoint, stop_after_the_first)
    resumed = fit_by_hand(recipe, digits, checkpoint)

    assert resumed.history == whole.history
    assert list(whole.history[:2]) == seen
    assert torch.equal(weights(whole), weights(resumed))


@RULES
def test_it_learns_and_the_network_carries_its_weights(recipe, digits):
    result = train_recipe(recipe, digits)
    with torch.no_grad():
        scores = result.network(to_float(torch.from_numpy(digits.validation.pixels)))
    classes = torch.from_numpy(digits.validation.targets)
    best = min(result.history, key=lambda epoch: epoch.validation_loss)

    assert best.validation_metric > 0.6
    assert float(F.cross_entropy(scores, classes)) == pytest.approx(best.validation_loss, rel=1e-4)
    assert float((scores.argmax(1) == classes).float().mean()) == pytest.approx(
        best.validation_metric, abs=0.01
    )


def test_one_step_of_the_rule_is_torchs_step_on_the_summed_loss(digits):
    """The learning rate of the only step of a cycle is its first."""
    few = digits.limited(200)
    ours = fit_by_hand(replace(LINEAR, epochs=1, batch_size=200), few)
    torch.manual_seed(LINEAR.seed)
    network = LINEAR.network()
    pixels = few.train.pixels
    loss = F.cross_entropy(
        network(to_float(torch.from_numpy(pixels))), torch.from_numpy(few.train.targets), reduction="sum"
    )
    loss.backward()
    torch.optim.SGD(network.parameters(), lr=LINEAR.learning_rate / 25).step()

    expected = torch.cat([parameter.detach().flatten() for parameter in network.parameters()])
    np.testing.assert_allclose(weights(ours).numpy(), expected.numpy(), atol=1e-6)


def test_early_stopping(digits):
    wild = replace(LINEAR, learning_rate=10.0, epochs=30, patience=3)
    losses = [epoch.validation_loss for epoch in fit_by_hand(wild, digits).history]

    assert len(losses) < 30
    assert len(losses) - 1 - int(np.argmin(losses)) == 3


def test_layer_without_a_gradient_by_hand_is_named(digits):
    with pytest.raises(DataError, match="Conv2d"):
        fit_by_hand(replace(MLP, network=digits_cnn), digits)


@pytest.mark.parametrize("name", ["digits-numpy-linear", "digits-numpy-mlp"])
def test_published_file_answers_classify(server, name):
    answer = post(server, model=name)

    assert answer.status_code == 200
    assert (answer.json()["model"], answer.json()["label"]) == (name, "7")
    assert answer.json()["familiar"]


@pytest.mark.parametrize(("name", "sibling"), [(LINEAR.name, "digits-linear"), (MLP.name, "digits-mlp")])
def test_published_file_is_as_good_as_its_sibling(name, sibling):
    ours, theirs = (open_model(ZOO / f"{each}.onnx").card.measured for each in (name, sibling))

    assert ours.n == theirs.n == 10_000
    assert ours.values["accuracy"] >= theirs.values["accuracy"] - 0.003


def test_exported_file_answers_like_its_network(digits, data, tmp_path):
    """Export compares with torch, opens the file in the sandbox and replays its golden answers."""
    model = open_model(export(LINEAR, fit_by_hand(LINEAR, digits), digits, tmp_path, data, FEW))

    assert model.card.name == "digits-numpy-linear"
    assert model.card.measured.values["accuracy"] > 0.7
    assert len(model.card.curves["train_loss"]) == 3
