"""Distillation: the loss against its formula, what the teacher scores, a recipe with a teacher."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.conftest import LINEAR
from training.data import augment
from training.data.splits import Examples
from training.fitting.distillation import (
    KIND,
    OUTLIER,
    TEMPERATURE,
    TRUE_CLASS_WEIGHT,
    distillation_losses,
    taught,
    with_outliers,
)
from training.fitting.fit import fit
from training.fitting.train import train_recipe
from training.networks.architectures import to_float

pytestmark = pytest.mark.slow


@given(st.integers(0, 10_000))
def test_the_loss_is_that_of_the_formula(seed):
    rng = np.random.default_rng(seed)
    scores, told = rng.normal(0, 5, (2, 6, 4))
    targets = rng.integers(OUTLIER, 4, 6)
    losses = rng.random(6) * (targets != OUTLIER)

    def log_softmax(values):
        return values - np.log(np.exp(values).sum(axis=1, keepdims=True))

    teacher = np.exp(log_softmax(told / TEMPERATURE))
    soft = -(teacher * log_softmax(scores / TEMPERATURE)).sum(axis=1) * TEMPERATURE**2
    believed = np.where(told.argmax(axis=1) == targets, soft, losses)
    expected = TRUE_CLASS_WEIGHT * losses + (1 - TRUE_CLASS_WEIGHT) * believed
    got = distillation_losses(*(torch.from_numpy(values) for values in (losses, scores, targets, told)))

    assert np.allclose(got, expected)
    assert not np.any(got.numpy()[targets == OUTLIER])


def test_the_teacher_scores_every_view_as_it_is_stored(digits):
    teacher = LINEAR.network().eval()
    train = digits.train[:300]
    told = taught(replace(LINEAR, views=3, augment=augment.distorted), teacher, train)
    assert told.scores is not None

    assert np.array_equal(told.targets, np.tile(train.targets, 3))
    assert not np.array_equal(told.pixels[:300], told.pixels[300:600])
    with torch.no_grad():
        scores = teacher(to_float(torch.from_numpy(told.pixels)))
    # bfloat16, where the machine has it, keeps eight bits of a score.
    assert np.allclose(told.scores, scores, atol=0.05)


def test_outliers_join_the_training_pictures(digits, data):
    joined = with_outliers(replace(LINEAR, outliers=70), digits.train, data)

    assert len(joined) == len(digits.train) + 70
    assert np.array_equal(joined.targets == OUTLIER, joined.facts[KIND] == "outlier")
    assert np.array_equal(joined.pixels[: len(digits.train)], digits.train.pixels)


def test_a_network_learns_what_its_teacher_says(digits):
    """A teacher who is never sure makes its pupil less sure than the true classes alone do."""
    few = digits.limited(1000)
    recipe = replace(LINEAR, epochs=6, batch_size=32)
    teacher = fit(replace(recipe, label_smoothing=0.4), few).network
    pupil = fit(replace(recipe, seed=1), replace(few, train=taught(recipe, teacher, few.train))).network
    alone = fit(replace(recipe, seed=1), few).network

    def distance(network):
        pictures = to_float(torch.from_numpy(few.test.pixels))
        with torch.no_grad():
            return (network(pictures).softmax(1) - teacher(pictures).softmax(1)).abs().mean()

    assert distance(pupil) < 0.5 * distance(alone)


def test_a_teacher_is_believed_only_where_it_is_right(digits, data):
    """The teacher was told that every digit is the next one."""
    few = digits.limited(1000)
    recipe = replace(LINEAR, epochs=6, batch_size=32, outliers=70)
    wrong, validation = (
        replace(part, targets=(part.targets + 1) % 10) for part in (few.train, few.validation)
    )
    liar = fit(recipe, replace(few, train=wrong, validation=validation)).network
    told = taught(recipe, liar, with_outliers(recipe, few.train, data))
    pupil = fit(recipe, replace(few, train=told)).network
    with torch.no_grad():
        answers = pupil(to_float(torch.from_numpy(few.test.pixels))).argmax(1)

    assert (answers.numpy() == few.test.targets).mean() > 0.7


def test_a_recipe_trains_its_teacher_first(digits, data, tmp_path):
    teacher = replace(LINEAR, name="teacher", epochs=3)
    recipe = replace(LINEAR, teacher=teacher, views=2, outliers=70, finish={"epochs": 1})
    epochs, path = [], tmp_path / "checkpoint.pt"
    few = digits.limited(500)
    result = train_recipe(recipe, few, path, lambda epoch: epochs.append(epoch.epoch), data)

    assert epochs == [1, 2, 3]
    assert len(result.history) == 3
    files = {"checkpoint.pt", "checkpoint-teacher.pt", "checkpoint-finish.pt"}
    assert {path.name for path in tmp_path.iterdir()} == files


def test_examples_keep_their_scores():
    pixels, targets = np.zeros((3, 2, 2, 1), np.uint8), np.arange(3)
    scores = np.eye(3, dtype=np.float32)
    part = Examples(pixels, targets, scores=scores)
    assert part[1:].scores is not None

    assert np.array_equal(part[1:].scores, scores[1:])
    joined = Examples.joined(part, part[::-1]).scores
    assert joined is not None
    assert np.array_equal(joined, np.concatenate([scores, scores[::-1]]))
