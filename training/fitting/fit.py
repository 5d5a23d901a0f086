"""The training loop: one function, plain to read. What it returns is a network and its history.

Same recipe, same data, same machine: same weights. The loop seeds torch, shuffles with its own
generator and asks for deterministic kernels.
"""

import copy
import logging
import math
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from torch import Tensor, nn

from training.data.splits import Examples, Splits, group_weights
from training.fitting.auxiliary import MultiTaskNetwork
from training.fitting.result import EpochMetrics, LogPriceScaler, TrainingResult, save_whole
from training.networks.architectures import Network
from training.recipe import Recipe

log = logging.getLogger(__name__)


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def half_precision(where: torch.device, network: nn.Module | None = None) -> torch.autocast:
    """bfloat16 where the machine has it: convolutions then take 0.6 of the time (docs/log.md).

    network: one that is trained. On a CPU, convolutions of single channels run backwards at half the
    speed in bfloat16: such a network stays in float32.
    """
    if where.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16, enabled=torch.cuda.is_bf16_supported())
    has_it = bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
    layers = () if network is None else network.modules()
    grouped = any(isinstance(layer, nn.Conv2d) and layer.groups > 1 for layer in layers)
    return torch.autocast("cpu", torch.bfloat16, enabled=has_it and not grouped)


def fit(
    recipe: Recipe,
    splits: Splits,
    checkpoint: Path | None = None,
    watch: Callable[[EpochMetrics], None] = lambda epoch: None,
) -> TrainingResult:
    """Train recipe.network on splits.train; keep the weights with the lowest validation loss.

    checkpoint: a file written after every epoch; where it exists, training goes on from there.
    watch: called after every epoch.
    """
    torch.manual_seed(recipe.seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    where = device()
    learner = MultiTaskNetwork(recipe, splits.train).to(where, memory_format=torch.channels_last)
    target = LogPriceScaler.of(splits.train.targets) if recipe.task == "regression" else None
    train = _on_device(splits.train, target, where)
    hints = learner.encode(splits.train, where)
    validation = _on_device(splits.validation, target, where)
    weights = torch.from_numpy(group_weights(splits.train)).to(where)

    steps_per_epoch = max(len(splits.train) // recipe.batch_size, 1)
    optimizer = torch.optim.AdamW(
        learner.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.epochs * steps_per_epoch, pct_start=0.2
    )
    average = torch.optim.swa_utils.AveragedModel(
        learner,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(math.exp(-2 / steps_per_epoch)),
        use_buffers=True,
    )
    history: list[EpochMetrics] = []
    best = copy.deepcopy(learner.network.state_dict())
    shuffle = torch.Generator().manual_seed(recipe.seed)
    if checkpoint is not None and checkpoint.exists():
        state = torch.load(checkpoint, map_location=where, weights_only=True)
        learner.load_state_dict(state["learner"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        shuffle.set_state(state["shuffle"].cpu())
        torch.set_rng_state(state["random"].cpu())
        history, best = [EpochMetrics(*values) for values in state["history"]], state["best"]
        log.info("%s: going on after epoch %d", recipe.name, len(history))

    with _progress() as progress:
        bar = progress.add_task(
            recipe.name,
            total=recipe.epochs * steps_per_epoch,
            completed=len(history) * steps_per_epoch,
            shown=_shown(history),
        )
        while len(history) < recipe.epochs and not _stale(history, recipe.patience):
            learner.train()
            losses, gaps = [], []
            order = torch.randperm(len(splits.train), generator=shuffle).to(where)
            for step in range(steps_per_epoch):
                index = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
                pictures = recipe.augment(to_float(train[0][index]))
                with half_precision(where, learner):
                    scores, guesses = learner(pictures)
                answers = train[1][index]
                each = _losses(recipe, scores.float(), answers) + learner.hint_losses(guesses, hints, index)
                loss = (each * weights[index]).mean()
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                schedule.step()
                average.update_parameters(learner)
                losses.append(loss.detach())
                gaps.append(_metric(target, scores.detach().float(), answers))
                progress.advance(bar)
                if progress.tasks[bar].speed:
                    speed = progress.tasks[bar].speed * recipe.batch_size
                    progress.update(bar, shown=f"{speed:,.0f} images/s  {_shown(history)}")

            mean_loss, mean_metric = (float(torch.stack(values).mean()) for values in (losses, gaps))
            averaged = average.module.network.eval()
            epoch = EpochMetrics(
                len(history) + 1, mean_loss, mean_metric, *_validate(target, averaged, *validation)
            )
            history.append(epoch)
            if epoch.validation_loss <= min(past.validation_loss for past in history):
                best = copy.deepcopy(averaged.state_dict())
            watch(epoch)
            progress.console.print(f"{recipe.name}  epoch {len(history)}/{recipe.epochs}  {_shown(history)}")
            if checkpoint is not None:
                save_whole(checkpoint, {
                    "learner": learner.state_dict(), "average": average.state_dict(),
                    "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(),
                    "shuffle": shuffle.get_state(), "random": torch.get_rng_state(),
                    "history": [astuple(epoch) for epoch in history], "best": best,
                })  # fmt: skip
    network = learner.network
    network.load_state_dict(best)
    return TrainingResult(network.eval().cpu(), target, tuple(history))


def _on_device(part: Examples, target: LogPriceScaler | None, where: torch.device) -> tuple[Tensor, Tensor]:
    """The whole split as uint8 on the device, once: batches are then an index away."""
    answers = torch.from_numpy(part.targets) if target is None else target.standardise(part.targets)
    return torch.from_numpy(part.pixels).to(where), answers.to(where)


def to_float(pixels: Tensor) -> Tensor:
    """uint8 (N, H, W, C) -> float32 (N, C, H, W) in [0, 1], as in the exported graph.

    Descriptions, float16 (N, C, H, W), are what a network takes already (training/fitting/transfer.py).
    """
    if pixels.dtype != torch.uint8:
        return pixels.float()
    # The strides stay those of (N, H, W, C): torch's channels_last, fastest for convolutions.
    return pixels.permute(0, 3, 1, 2).float() / 255


def _losses(recipe: Recipe, scores: Tensor, answers: Tensor) -> Tensor:
    """One loss per picture, float32 (N,)."""
    if recipe.task == "classification":
        return F.cross_entropy(scores, answers, label_smoothing=recipe.label_smoothing, reduction="none")
    return (scores[:, 0] - answers).abs()


@torch.no_grad()
def _validate(
    target: LogPriceScaler | None, network: Network, pixels: Tensor, answers: Tensor
) -> tuple[float, float]:
    """(loss, metric) of the validation split."""
    scores = torch.cat([network(to_float(batch)) for batch in pixels.split(256)])
    gap = F.cross_entropy if target is None else F.l1_loss
    loss = gap(scores if target is None else scores[:, 0], answers)
    return float(loss), float(_metric(target, scores, answers))


def _metric(target: LogPriceScaler | None, scores: Tensor, answers: Tensor) -> Tensor:
    """Accuracy, or the median relative error of the price."""
    if target is None:
        return (scores.argmax(1) == answers).float().mean()
    return ((scores[:, 0] - answers) * target.std).expm1().abs().median()


def _stale(history: list[EpochMetrics], patience: int) -> bool:
    if len(history) <= patience:
        return False
    losses = [epoch.validation_loss for epoch in history]
    return min(losses[-patience:]) > min(losses[:-patience])


def _shown(history: list[EpochMetrics]) -> str:
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
