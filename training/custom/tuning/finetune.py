"""Fine-tuning the last blocks of a trunk, as far as pictures left out say that it helps.

The frozen trunk's features know those blocks as they were: a tail that is trained on has to give something
that the frozen heads lack. A fold that it has not seen decides whether it is worth the other folds' time,
and all of them which share of the answer it gets (docs/decisions/0020).
"""

import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.custom.crossfit import SHARES, CrossFitted, Loss, absolute_error
from training.custom.trunk import Trunk
from training.custom.tuning.tail import WEIGHT_DECAY, Appended, Tail, TunedTail, fit_tail
from training.export.calibration import fit_temperature
from training.networks.kernel_ridge import KernelRidge

log = logging.getLogger(__name__)

FineTune = Literal["auto", "never", "always"]

ENOUGH = 1000
"""Pictures to learn from: with fewer it gained a tenth of a point or nothing (docs/log.md)."""

LABEL_SMOOTHING = 0.05


@dataclass(frozen=True)
class Aim:
    """What a tail is trained for.

    Attributes:
        loss: (scores, targets) -> the mean loss of a batch.
        judge: (scores, targets) -> what each picture costs, (N,).
    """

    loss: Loss
    judge: Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class FineTuned:
    """A blend of frozen heads and a fine-tuned tail.

    Attributes:
        fitted: As of `cross_fit`; its head takes the frozen features and those of the tail.
        features: Features and maps -> what the head takes.
        told: What was done, in words.
    """

    fitted: CrossFitted
    features: nn.Module
    told: str


def is_wanted(how: FineTune, trunk: Trunk, count: int) -> bool:
    """Whether to try: where the owner says so, or where there are enough pictures or a GPU."""
    if how == "never" or (how == "auto" and count < ENOUGH and not torch.cuda.is_available()):
        return False
    if not trunk.is_cut:
        log.info("fine-tuning the last blocks: not of %s, which is not cut into stages", trunk.name)
    return trunk.is_cut


def classes_aim(class_weights: Tensor) -> Aim:
    """Cross entropy; class_weights: float32 (K,), what a picture of each class counts."""

    def loss(scores: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(scores, targets, class_weights, label_smoothing=LABEL_SMOOTHING)

    def judge(scores: Tensor, targets: Tensor) -> Tensor:
        # Calibration follows, so each is judged at its own best temperature.
        temperature = fit_temperature(scores, targets, 1 / (len(targets) + 1), class_weights)
        return F.cross_entropy(scores / temperature, targets, class_weights, reduction="none")

    return Aim(loss, judge)


def numbers_aim() -> Aim:
    """Absolute error of standardised numbers."""
    return Aim(absolute_error, lambda scores, targets: (scores[:, 0] - targets).abs())


def fine_tune(
    fitted: CrossFitted,
    described: npt.NDArray[np.float16],
    targets: Tensor,
    folds: npt.NDArray[np.intp],
    tail: Tail,
    aim: Aim,
    anyway: bool = False,
) -> FineTuned | None:
    """Fine-tune a tail and blend it with frozen heads; None where they are as good without it.

    Args:
        fitted: The frozen heads, which take the first F features.
        described: float16 (N, V, F + C * H * W): features and maps of V views of each picture.
        targets: Classes int64 (N,), or standardised numbers float32 (N,).
        folds: (N,), -1 for pictures that are only ever held out.
        tail: Copied, not trained.
        aim: What it is trained for.
        anyway: Whatever pictures left out say.
    """
    width, outputs = fitted.head.in_features, fitted.head.out_features
    maps = described[:, :, width:]
    trained = np.flatnonzero(folds >= 0)
    scores = fitted.scores.clone()

    def fit(chosen: npt.NDArray[np.intp], what: str) -> TunedTail:
        return fit_tail(TunedTail(tail, outputs), maps, targets, chosen, aim.loss, f"fine-tuning, {what}")

    def costs(index: npt.NDArray[np.intp]) -> dict[float, Tensor]:
        """Of each picture, by the share of the tail."""
        frozen, own, truth = fitted.scores[index], scores[index], targets[index]
        return {share: aim.judge((1 - share) * frozen + share * own, truth) for share in SHARES}

    numbers = sorted(set(folds[trained].tolist()))
    first = f"1/{len(numbers)} of the pictures"
    for number in numbers:
        held_out = np.flatnonzero(folds == number)
        tuned = fit(trained[folds[trained] != number], f"fold {number + 1} of {len(numbers)}")
        scores[held_out] = tuned.scores(maps[held_out, 0])
        if number == numbers[0] and not anyway and not _is_better(costs(held_out), first):
            return None
    of_each = costs(trained)
    if not anyway and not _is_better(of_each, "all pictures"):
        return None
    share = _best(of_each)
    whole = fit(trained, "all pictures")
    others = np.flatnonzero(folds < 0)
    if len(others):
        scores[others] = whole.scores(maps[others, 0])
    told = f"{share:.0%} of the answer by its last blocks, fine-tuned"
    blend = _blend(fitted, whole.head, scores, share, float(of_each[share].mean()))
    return FineTuned(blend, Appended(whole.tail, width), told)


def _best(costs: dict[float, Tensor]) -> float:
    """The share of the tail, greater than 0, that costs least."""
    return min(SHARES[1:], key=lambda share: float(costs[share].mean()))


def _is_better(costs: dict[float, Tensor], of: str) -> bool:
    """Whether the best share gains more than its paired standard error; says so to the user."""
    tuned, frozen = costs[_best(costs)], costs[0.0]
    gains = frozen - tuned
    better = bool(gains.mean() > gains.std() / len(gains) ** 0.5)
    what = "better" if better else "no better, so they are left as they were"
    found = f"{tuned.mean():.4f} against {frozen.mean():.4f} on {of}, left out"
    log.info("fine-tuning the last blocks: %s (%s)", what, found)
    return better


def _blend(frozen: CrossFitted, tuned: nn.Linear, scores: Tensor, share: float, loss: float) -> CrossFitted:
    """One head for both: frozen features, then the tail's.

    Args:
        frozen: With a share of 1 - share from now on.
        tuned: The head of the tail.
        scores: The tail's alone, as those of `frozen`.
        share: Of the tail.
        loss: Of the blend.
    """
    # A network takes the mean of head and kernel.
    members = 1 if frozen.kernel is None else 2
    head = nn.Linear(frozen.head.in_features + tuned.in_features, tuned.out_features).requires_grad_(False)
    head.weight.copy_(torch.cat([(1 - share) * frozen.head.weight, members * share * tuned.weight], dim=1))
    head.bias.copy_((1 - share) * frozen.head.bias + members * share * tuned.bias)
    kernel = None if frozen.kernel is None else _blind(frozen.kernel, tuned.in_features, 1 - share)
    choices = (*((part * (1 - share), penalty) for part, penalty in frozen.choices), (share, WEIGHT_DECAY))
    return CrossFitted(head, (1 - share) * frozen.scores + share * scores, loss, choices, kernel)


def _blind(kernel: KernelRidge, more: int, share: float) -> KernelRidge:
    """A share of a kernel, to which `more` features after its own are of no account."""
    wider = copy.deepcopy(kernel)
    wider.centre = F.pad(kernel.centre, (0, more))
    wider.scale = F.pad(kernel.scale.expand_as(kernel.centre), (0, more))
    wider.landmarks = F.pad(kernel.landmarks, (0, more))
    wider.weights = share * kernel.weights
    return wider
