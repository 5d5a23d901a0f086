"""The training loop: one function, plain to read. It returns a network and its history.

Same recipe, same data, same machine: same weights. The loop seeds torch, shuffles with its own
generator and asks for deterministic kernels.
"""

import copy
import logging
import math
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training.data.splits import Examples, Splits, group_weights
from training.fitting.auxiliary import MultiTaskNetwork
from training.fitting.distillation import OUTLIER, distillation_losses
from training.fitting.progress import TrainingProgress
from training.fitting.result import EpochMetrics, LogPriceScaler, TrainingResult, save_atomically
from training.networks.architectures import Network, to_float
from training.networks.device import best_device, half_precision
from training.recipe import Recipe

log = logging.getLogger(__name__)

MIN_SCHEDULE_STEPS = 6
"""OneCycleLR divides by zero where its warm-up is one step long, as in a try on very few pictures."""


def fit(
    recipe: Recipe,
    splits: Splits,
    checkpoint: Path | None = None,
    on_epoch: Callable[[EpochMetrics], None] = lambda epoch: None,
) -> TrainingResult:
    """Train recipe.network on splits.train; keep the weights with the lowest validation loss.

    Args:
        recipe: What is trained, and how.
        splits: Pictures, or feature maps behind a frozen trunk (training/fitting/transfer.py).
        checkpoint: A file written after every epoch; where it exists, training resumes from it.
        on_epoch: Called after every epoch.
    """
    torch.manual_seed(recipe.seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    device = best_device()
    network = MultiTaskNetwork(recipe, splits.train).to(device, memory_format=torch.channels_last)
    scaler = LogPriceScaler.of(splits.train.targets) if recipe.task == "regression" else None
    pixels, targets = _on_device(splits.train, scaler, device)
    validation = _on_device(splits.validation, scaler, device)
    taught = None if splits.train.scores is None else torch.from_numpy(splits.train.scores).to(device)
    facts = network.encode(splits.train, device)
    weights = torch.from_numpy(group_weights(splits.train)).to(device)
    steps_per_epoch = max(len(pixels) // recipe.batch_size, 1)
    state = _TrainingState.initial(recipe, network, steps_per_epoch)
    if checkpoint is not None and checkpoint.exists():
        state.load(checkpoint, device)
        log.info("%s: resuming after epoch %d", recipe.name, len(state.history))

    with TrainingProgress(recipe, steps_per_epoch, state.history) as progress:
        while len(state.history) < recipe.epochs and not _is_stale(state.history, recipe.patience):
            network.train()
            losses, metrics = [], []
            order = torch.randperm(len(pixels), generator=state.shuffle).to(device)
            for index in order[: steps_per_epoch * recipe.batch_size].split(recipe.batch_size):
                pictures = recipe.augment(to_float(pixels[index]))
                with half_precision(device, network):
                    scores, logits = network(pictures)
                each = _losses(
                    recipe, scores.float(), targets[index], None if taught is None else taught[index]
                )
                each = each + network.auxiliary_losses(logits, {k: fact[index] for k, fact in facts.items()})
                loss = (each * weights[index]).mean()
                state.step(loss)
                losses.append(loss.detach())
                metrics.append(_metric(scaler, scores.detach().float(), targets[index]))
                progress.end_step()

            mean_loss, mean_metric = (float(torch.stack(values).mean()) for values in (losses, metrics))
            averaged = state.average.module.network.eval()
            epoch = EpochMetrics(
                len(state.history) + 1, mean_loss, mean_metric, *_validate(scaler, averaged, *validation)
            )
            state.end_epoch(epoch, averaged)
            on_epoch(epoch)
            progress.end_epoch(state.history)
            if checkpoint is not None:
                state.save(checkpoint)
    best = network.network
    best.load_state_dict(state.best)
    return TrainingResult(best.eval().cpu(), scaler, tuple(state.history))


@dataclass
class _TrainingState:
    """All that changes while a network is trained: what a checkpoint holds, beside torch's random state.

    Attributes:
        average: Exponential moving average of the weights; validated and kept instead of the last ones.
        best: Weights of the epoch with the lowest validation loss.
    """

    network: MultiTaskNetwork
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    shuffle: torch.Generator
    best: dict[str, Any]
    history: list[EpochMetrics]

    @staticmethod
    def initial(recipe: Recipe, network: MultiTaskNetwork, steps_per_epoch: int) -> "_TrainingState":
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        steps = max(recipe.epochs * steps_per_epoch, MIN_SCHEDULE_STEPS)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, recipe.learning_rate, total_steps=steps, pct_start=0.2
        )
        decay = math.exp(-2 / steps_per_epoch)
        average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
        shuffle = torch.Generator().manual_seed(recipe.seed)
        best = copy.deepcopy(network.network.state_dict())
        return _TrainingState(network, average, optimizer, schedule, shuffle, best, history=[])

    def step(self, loss: Tensor) -> None:
        """Follow the gradient of one batch's loss."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.schedule.step()
        self.average.update_parameters(self.network)

    def end_epoch(self, epoch: EpochMetrics, averaged: Network) -> None:
        """Append the metrics; keep the averaged weights where none had a lower validation loss."""
        self.history.append(epoch)
        if epoch.validation_loss <= min(past.validation_loss for past in self.history):
            self.best = copy.deepcopy(averaged.state_dict())

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        save_atomically(path, {
            "learner": self.network.state_dict(), "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(), "schedule": self.schedule.state_dict(),
            "shuffle": self.shuffle.get_state(), "random": torch.get_rng_state(),
            "history": [astuple(epoch) for epoch in self.history], "best": self.best,
        })  # fmt: skip

    def load(self, path: Path, device: torch.device) -> None:
        """Continue from a checkpoint, with torch's random state as it was."""
        state = torch.load(path, map_location=device, weights_only=True)
        self.network.load_state_dict(state["learner"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.shuffle.set_state(state["shuffle"].cpu())
        torch.set_rng_state(state["random"].cpu())
        self.history = [EpochMetrics(*values) for values in state["history"]]
        self.best = state["best"]


def _on_device(
    examples: Examples, scaler: LogPriceScaler | None, device: torch.device
) -> tuple[Tensor, Tensor]:
    """The whole split as tensors on the device, once: batches are then an index away."""
    targets = torch.from_numpy(examples.targets) if scaler is None else scaler.standardise(examples.targets)
    return torch.from_numpy(examples.pixels).to(device), targets.to(device)


def _losses(recipe: Recipe, scores: Tensor, targets: Tensor, taught: Tensor | None) -> Tensor:
    """One loss per picture, float32 (N,)."""
    if recipe.task == "regression":
        return (scores[:, 0] - targets).abs()
    losses = F.cross_entropy(
        scores,
        targets,
        ignore_index=OUTLIER,
        label_smoothing=recipe.label_smoothing,
        reduction="none",
    )
    return losses if taught is None else distillation_losses(losses, scores, targets, taught)


@torch.no_grad()
def _validate(
    scaler: LogPriceScaler | None, network: Network, pixels: Tensor, targets: Tensor
) -> tuple[float, float]:
    """(loss, metric) of the validation split."""
    scores = torch.cat([network(to_float(batch)) for batch in pixels.split(256)])
    loss = F.cross_entropy(scores, targets) if scaler is None else F.l1_loss(scores[:, 0], targets)
    return float(loss), float(_metric(scaler, scores, targets))


def _metric(scaler: LogPriceScaler | None, scores: Tensor, targets: Tensor) -> Tensor:
    """Accuracy, or the median relative error of the price."""
    if scaler is None:
        known = targets != OUTLIER
        return (scores.argmax(1) == targets)[known].float().mean()
    return ((scores[:, 0] - targets) * scaler.std).expm1().abs().median()


def _is_stale(history: list[EpochMetrics], patience: int) -> bool:
    """True after `patience` epochs without a lower validation loss."""
    if len(history) <= patience:
        return False
    losses = [epoch.validation_loss for epoch in history]
    return min(losses[-patience:]) > min(losses[:-patience])
