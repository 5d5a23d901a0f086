"""The training loop: one function, plain to read. What it returns is a network and its history.

Same recipe, same data, same machine: same weights. The loop seeds torch, shuffles with its own
generator and asks for deterministic kernels.
"""

import copy
import logging
import math
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from torch import Tensor

from training.datasets import DataError, Examples, Splits
from training.networks import Network
from training.recipe import Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Target:
    """How prices become what a network can learn: standardised logarithms.

    L1 on log price is a relative error: the same weight for a 20 % miss on a small car and on a
    supercar (docs/decisions/0005).
    """

    mean: float
    std: float

    @staticmethod
    def of(prices: np.ndarray) -> "Target":  # type: ignore[type-arg]
        logs = np.log(prices)
        return Target(float(logs.mean()), float(max(logs.std(), 1e-6)))

    def standardise(self, prices: np.ndarray) -> Tensor:  # type: ignore[type-arg]
        return torch.from_numpy((np.log(prices) - self.mean) / self.std).float()


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training set came to. metric: accuracy, or the median relative error."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_metric: float


@dataclass(frozen=True)
class Fitted:
    """network: in eval mode on the CPU, the weights of the best epoch. target: None for classes."""

    network: Network
    target: Target | None
    history: tuple[Epoch, ...]

    def save(self, folder: Path) -> None:
        """Write folder/fitted.pt, which `load` reads."""
        _save(folder / "fitted.pt", {
            "network": self.network.state_dict(),
            "target": self.target and astuple(self.target),
            "history": [astuple(epoch) for epoch in self.history],
        })  # fmt: skip

    @staticmethod
    def load(folder: Path, recipe: Recipe) -> "Fitted":
        """Raises DataError where recipe has not been trained in this folder."""
        path = folder / "fitted.pt"
        if not path.exists():
            raise DataError(f"{path} is missing: run `python -m training train {recipe.name}`.")
        state = torch.load(path, weights_only=True)
        network = recipe.network()
        network.load_state_dict(state["network"])
        target = state["target"] and Target(*state["target"])
        return Fitted(network.eval(), target, tuple(Epoch(*row) for row in state["history"]))


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fit(recipe: Recipe, splits: Splits, checkpoint: Path | None = None) -> Fitted:
    """Train recipe.network on splits.train; keep the weights with the lowest validation loss.

    checkpoint: a file written after every epoch; where it exists, training goes on from there.
    """
    torch.manual_seed(recipe.seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    where = device()
    channels_last = torch.channels_last
    network = recipe.network().to(where, memory_format=channels_last)
    target = Target.of(splits.train.targets) if recipe.task == "regression" else None
    train = _on_device(splits.train, target, where)
    validation = _on_device(splits.validation, target, where)
    weights = torch.from_numpy(_weights(splits.train)).to(where)

    steps_per_epoch = max(len(splits.train) // recipe.batch_size, 1)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.epochs * steps_per_epoch, pct_start=0.2
    )
    average = torch.optim.swa_utils.AveragedModel(
        network,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(math.exp(-2 / steps_per_epoch)),
        use_buffers=True,
    )
    history: list[Epoch] = []
    best = copy.deepcopy(network.state_dict())
    shuffle = torch.Generator().manual_seed(recipe.seed)
    if checkpoint is not None and checkpoint.exists():
        state = torch.load(checkpoint, map_location=where, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        shuffle.set_state(state["shuffle"].cpu())
        torch.set_rng_state(state["random"].cpu())
        history, best = [Epoch(*values) for values in state["history"]], state["best"]
        log.info("%s: going on after epoch %d", recipe.name, len(history))

    with _progress() as progress:
        bar = progress.add_task(
            recipe.name,
            total=recipe.epochs * steps_per_epoch,
            completed=len(history) * steps_per_epoch,
            shown=_shown(history),
        )
        while len(history) < recipe.epochs and not _stale(history, recipe.patience):
            network.train()
            losses = []
            order = torch.randperm(len(splits.train), generator=shuffle).to(where)
            for step in range(steps_per_epoch):
                index = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
                pictures = to_float(train[0][index])
                losses_each = _losses(recipe, network(recipe.augment(pictures)), train[1][index])
                loss = (losses_each * weights[index]).mean()
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                schedule.step()
                average.update_parameters(network)
                losses.append(loss.detach())
                progress.advance(bar)
                if progress.tasks[bar].speed:
                    speed = progress.tasks[bar].speed * recipe.batch_size
                    progress.update(bar, shown=f"{speed:,.0f} images/s  {_shown(history)}")

            network.eval()
            loss, metric = _validate(target, average.module, *validation)
            history.append(Epoch(len(history) + 1, float(torch.stack(losses).mean()), loss, metric))
            if loss <= min(epoch.validation_loss for epoch in history):
                best = copy.deepcopy(average.module.state_dict())
            progress.console.print(f"{recipe.name}  epoch {len(history)}/{recipe.epochs}  {_shown(history)}")
            if checkpoint is not None:
                _save(checkpoint, {
                    "network": network.state_dict(), "average": average.state_dict(),
                    "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(),
                    "shuffle": shuffle.get_state(), "random": torch.get_rng_state(),
                    "history": [astuple(epoch) for epoch in history], "best": best,
                })  # fmt: skip
    network.load_state_dict(best)
    return Fitted(network.eval().cpu(), target, tuple(history))


def _on_device(part: Examples, target: Target | None, where: torch.device) -> tuple[Tensor, Tensor]:
    """The whole split as uint8 on the device, once: batches are then an index away."""
    answers = torch.from_numpy(part.targets) if target is None else target.standardise(part.targets)
    return torch.from_numpy(part.pixels).to(where), answers.to(where)


def to_float(pixels: Tensor) -> Tensor:
    """uint8 (N, H, W, C) -> float32 (N, C, H, W) in [0, 1], as in the exported graph.

    Descriptions, float32 (N, F), are what a network takes already (training/transfer.py).
    """
    if pixels.dtype == torch.float32:
        return pixels
    # The strides stay those of (N, H, W, C): torch's channels_last, fastest for convolutions.
    return pixels.permute(0, 3, 1, 2).float() / 255


def _losses(recipe: Recipe, scores: Tensor, answers: Tensor) -> Tensor:
    """One loss per picture, float32 (N,)."""
    if recipe.task == "classification":
        return F.cross_entropy(scores, answers, label_smoothing=recipe.label_smoothing, reduction="none")
    return (scores[:, 0] - answers).abs()


def _weights(part: Examples) -> np.ndarray:  # type: ignore[type-arg]
    """float32 (N,), mean 1. Forty photos of one car model are not forty independent prices: a group
    counts with the square root of its size."""
    if part.groups is None:
        return np.ones(len(part), np.float32)
    _, index, counts = np.unique(part.groups, return_inverse=True, return_counts=True)
    weights = 1 / np.sqrt(counts[index])
    return (weights / weights.mean()).astype(np.float32)


@torch.no_grad()
def _validate(
    target: Target | None, network: torch.nn.Module, pixels: Tensor, answers: Tensor
) -> tuple[float, float]:
    """(loss, metric) of the validation split."""
    network.eval()
    scores = torch.cat([network(to_float(batch)) for batch in pixels.split(256)])
    if target is None:
        accuracy = (scores.argmax(1) == answers).float().mean()
        return float(F.cross_entropy(scores, answers)), float(accuracy)
    gap = scores[:, 0] - answers
    return float(gap.abs().mean()), float((gap * target.std).expm1().abs().median())


def _stale(history: list[Epoch], patience: int) -> bool:
    if len(history) <= patience:
        return False
    losses = [epoch.validation_loss for epoch in history]
    return min(losses[-patience:]) > min(losses[:-patience])


def _shown(history: list[Epoch]) -> str:
    if not history:
        return ""
    last = history[-1]
    return (
        f"loss {last.train_loss:.4f}  validation {last.validation_loss:.4f}"
        f"  metric {last.validation_metric:.4f}"
    )


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[shown]}"),
    )


def _save(path: Path, state: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)
