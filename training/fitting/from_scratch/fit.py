"""The training of a network in NumPy: torch only augments the pictures and carries the weights afterwards.

A recipe whose `by_hand` is set comes here instead of to `fit`, and returns what `fit` returns: export,
calibration, evaluation and card do not know the difference.
"""

import copy
import logging
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.data import augment
from training.data.splits import Examples, Splits
from training.fitting.from_scratch.learners import LEARNERS, Learner
from training.fitting.progress import TrainingProgress
from training.fitting.result import EpochMetrics, TrainingResult, save_atomically
from training.networks import architectures
from training.networks.architectures import to_float
from training.networks.from_scratch.layers import Array
from training.networks.from_scratch.losses import Classes, softmax_cross_entropy
from training.networks.from_scratch.optimisers import one_cycle
from training.recipe import Recipe

log = logging.getLogger(__name__)


def fit_by_hand(
    recipe: Recipe,
    splits: Splits,
    checkpoint: Path | None = None,
    on_epoch: Callable[[EpochMetrics], None] = lambda epoch: None,
) -> TrainingResult:
    """Train a classifier without torch's gradients; keep the weights with the lowest validation loss.

    Args:
        recipe: What is trained, and how; `by_hand` says by which rule.
        splits: Pictures.
        checkpoint: A file written after every epoch; where it exists, training resumes from it.
        on_epoch: Called after every epoch.
    """
    assert recipe.by_hand is not None and recipe.task == "classification"
    torch.manual_seed(recipe.seed)
    network = recipe.network()
    learner = LEARNERS[recipe.by_hand](recipe, network)
    history: list[EpochMetrics] = []
    best = copy.deepcopy(network.state_dict())
    if checkpoint is not None and checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        learner.load(saved["learner"])
        history, best = [EpochMetrics(*row) for row in saved["history"]], saved["best"]
        log.info("%s: resuming after epoch %d", recipe.name, len(history))
    validation, classes = _pictures(network, splits.validation), splits.validation.targets.astype(np.int64)
    with TrainingProgress(recipe, _steps(recipe, splits.train), history) as progress:
        while len(history) < recipe.epochs and not _is_stale(history, recipe.patience):
            measured = _train_epoch(recipe, network, learner, splits.train, len(history), progress)
            scores = learner.scores(validation)
            loss, _ = softmax_cross_entropy(scores, classes)
            epoch = EpochMetrics(len(history) + 1, *measured, loss, _accuracy(scores, classes))
            history.append(epoch)
            if loss <= min(past.validation_loss for past in history):
                learner.write_to(network)
                best = copy.deepcopy(network.state_dict())
            on_epoch(epoch)
            progress.end_epoch(history)
            if checkpoint is not None:
                rows = [astuple(past) for past in history]
                save_atomically(checkpoint, {"learner": learner.state(), "best": best, "history": rows})
    network.load_state_dict(best)
    return TrainingResult(network.eval(), None, tuple(history))


def _train_epoch(
    recipe: Recipe,
    network: architectures.Network,
    learner: Learner,
    train: Examples,
    epoch: int,
    progress: TrainingProgress,
) -> tuple[float, float]:
    """All mini-batches of one epoch: (mean loss, mean accuracy) before each step."""
    # Random numbers of its own for each epoch: a checkpoint then needs to keep none.
    rng = np.random.default_rng((recipe.seed, epoch))
    torch.manual_seed(int(rng.integers(2**32)))
    steps = _steps(recipe, train)
    order = rng.permutation(len(train))[: steps * recipe.batch_size]
    losses, accuracies = [], []
    for number, index in enumerate(np.array_split(order, steps)):
        step = epoch * steps + number
        learning_rate = one_cycle(step, recipe.epochs * steps, recipe.learning_rate)
        pictures = _pictures(network, train[index], recipe.augment)
        classes = train.targets[index].astype(np.int64)
        loss, scores = learner.learn(pictures, classes, learning_rate, rng)
        losses.append(loss)
        accuracies.append(_accuracy(scores, classes))
        progress.end_step()
    return float(np.mean(losses)), float(np.mean(accuracies))


def _pictures(
    network: architectures.Network,
    examples: Examples,
    change: Callable[[Tensor], Tensor] = augment.none,
) -> Array:
    """Augmented, then normalised as the network does it, float32 (N, C, H, W)."""
    pictures = change(to_float(torch.from_numpy(examples.pixels)))
    normalised: Array = ((pictures - network.mean) / network.std).numpy()
    return normalised


def _steps(recipe: Recipe, train: Examples) -> int:
    """Mini-batches of an epoch; what is left over waits for another epoch's order."""
    return max(len(train) // recipe.batch_size, 1)


def _accuracy(scores: Array, classes: Classes) -> float:
    return float((scores.argmax(axis=1) == classes).mean())


def _is_stale(history: list[EpochMetrics], patience: int) -> bool:
    """True after `patience` epochs without a lower validation loss."""
    if not history:
        return False
    best = min(history, key=lambda epoch: epoch.validation_loss)
    return len(history) - best.epoch >= patience
