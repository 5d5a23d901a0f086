"""Cross-fitting: a head for all pictures, and for each picture the scores of one that never saw it.

With a few hundred pictures a test split is a handful: a metric of it says little, and what is held out is
missed in training. So each picture is scored by a head that was fitted to the other folds, and all that has
to be measured or calibrated on unseen pictures uses those scores. A head is a blend of one for each block of
the features, which is again a linear layer, and for numbers a kernel (docs/decisions/0020).
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from rich.progress import track
from torch import Tensor, nn

from training.fitting.heads import MIN_STD, fit_ridge, fit_softmax
from training.networks.kernel_ridge import KernelRidge

SOFTMAX_PENALTIES = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3)
RIDGE_PENALTIES = (3000.0, 1000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3)
"""Strengths that are tried, the strongest first; the best one is nearly always inside."""

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the first block in a blend, that are tried."""

KERNEL_SHARES = (0.0, 0.25, 0.5, 0.75)
KERNEL_PENALTY = 0.1
KERNEL_VIEWS = 2
MAX_LANDMARKS = 1000

FitHeads = Callable[[Tensor, Tensor, Sequence[float]], list[nn.Linear]]
"""(features (N, F), targets (N,), penalties) -> a head for each penalty."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""(scores (N, K), targets (N,)) -> the mean loss."""


@dataclass(frozen=True)
class CrossFitted:
    """A head, and what heads like it give for pictures they never saw.

    Attributes:
        head: Fitted to all pictures that are trained on.
        scores: float32 (N, K): each picture's by a head that did not see it.
        loss: Mean loss of the scores of pictures that are trained on.
        choices: For each member of the blend its share and its penalty: the two blocks, the kernel.
        kernel: A second prediction, which a Network averages with the head's.
    """

    head: nn.Linear
    scores: Tensor
    loss: float
    choices: tuple[tuple[float, float], ...]
    kernel: KernelRidge | None = None


def cross_fit(
    features: npt.NDArray[np.float16],
    targets: Tensor,
    folds: npt.NDArray[np.intp],
    widths: tuple[int, int],
    fit: FitHeads,
    loss: Loss,
    penalties: Sequence[float],
) -> CrossFitted:
    """Cross-fit a head on each of two blocks of the features, and blend them as the pictures left out say.

    Args:
        features: float16 (N, V, F), V views of each picture, which are examples of their own.
        targets: Classes int64 (N,), or standardised numbers float32 (N,).
        folds: (N,), -1 for pictures that are only ever held out.
        widths: Features of each block; their sum is F.
        fit: Makes heads.
        loss: What penalties and shares are chosen by.
        penalties: To choose from, the strongest first.
    """
    bounds = (slice(0, widths[0]), slice(widths[0], sum(widths)))
    first, second = (
        _cross_fit_block(features[:, :, block], targets, folds, fit, loss, penalties) for block in bounds
    )
    trained = torch.from_numpy(np.flatnonzero(folds >= 0))

    def blended(share: float) -> Tensor:
        return share * first.scores + (1 - share) * second.scores

    losses = {share: float(loss(blended(share)[trained], targets[trained])) for share in SHARES}
    share = min(losses, key=lambda share: losses[share])
    head = nn.Linear(sum(widths), first.head.out_features).requires_grad_(False)
    head.weight.copy_(torch.cat([share * first.head.weight, (1 - share) * second.head.weight], dim=1))
    head.bias.copy_(share * first.head.bias + (1 - share) * second.head.bias)
    (_, one), (_, other) = *first.choices, *second.choices
    return CrossFitted(head, blended(share), losses[share], ((share, one), (1 - share, other)))


def _cross_fit_block(
    features: npt.NDArray[np.float16],
    targets: Tensor,
    folds: npt.NDArray[np.intp],
    fit: FitHeads,
    loss: Loss,
    penalties: Sequence[float],
) -> CrossFitted:
    """Fit heads to all folds but one, choose the penalty by the pictures left out, and fit to all."""
    trained = np.flatnonzero(folds >= 0)
    scores: dict[float, list[tuple[Tensor, Tensor]]] = {penalty: [] for penalty in penalties}
    for fold in track(sorted(set(folds[trained].tolist())), "fitting heads"):
        held_out = torch.from_numpy(np.flatnonzero(folds == fold))
        heads = fit(*_examples(features, targets, trained[folds[trained] != fold]), penalties)
        plain = torch.from_numpy(features[folds == fold, 0]).float()
        for penalty, head in zip(penalties, heads, strict=True):
            scores[penalty].append((held_out, head(plain)))
    losses = {}
    for penalty, parts in scores.items():
        index, values = (torch.cat(column) for column in zip(*parts, strict=True))
        losses[penalty] = float(loss(values, targets[index]))
    best = min(losses, key=lambda penalty: losses[penalty])
    # The stronger ones before it are its start, as they were in the folds.
    stronger = [penalty for penalty in penalties if penalty >= best]
    head = fit(*_examples(features, targets, trained), stronger)[-1]
    everything = head(torch.from_numpy(features[:, 0]).float())
    for index, values in scores[best]:
        everything[index] = values
    return CrossFitted(head, everything, losses[best], ((1.0, best),))


def cross_fit_kernel(
    linear: CrossFitted,
    features: npt.NDArray[np.float16],
    targets: Tensor,
    folds: npt.NDArray[np.intp],
    widths: tuple[int, int],
) -> CrossFitted:
    """Blend a cross-fitted head of numbers with a kernel, as far as the pictures left out say that it helps.

    Args:
        linear: The head.
        features: As of `cross_fit`.
        targets: Standardised numbers, float32 (N,).
        folds: As of `cross_fit`.
        widths: Of the blocks of features, whose differences count the same.
    """

    def fit(index: npt.NDArray[np.intp]) -> KernelRidge:
        x, y = _examples(features[:, :KERNEL_VIEWS], targets, index)
        std = x.std(0)
        each = torch.cat([torch.full((width,), width**-0.5) for width in widths])
        kernel = KernelRidge(x.shape[1], MAX_LANDMARKS)
        kernel.fit(x, y, torch.ones(len(y)), KERNEL_PENALTY, each / (std + MIN_STD * std.mean() + 1e-12))
        return kernel

    trained = np.flatnonzero(folds >= 0)
    plain = torch.from_numpy(features[:, 0]).float()
    kernel = fit(trained)
    scores = kernel(plain)
    for fold in track(sorted(set(folds[trained].tolist())), "fitting kernels"):
        scores[folds == fold] = fit(trained[folds[trained] != fold])(plain[folds == fold])
    known = torch.from_numpy(trained)

    def blended(share: float) -> Tensor:
        return share * scores + (1 - share) * linear.scores

    losses = {share: float(absolute_error(blended(share)[known], targets[known])) for share in KERNEL_SHARES}
    share = min(losses, key=lambda share: losses[share])
    if not share:
        return linear
    # Doubled: a network takes the mean of both.
    head = copy.deepcopy(linear.head)
    head.weight.mul_(2 * (1 - share))
    head.bias.mul_(2 * (1 - share))
    kernel.weights.mul_(2 * share)
    choices = (*((part * (1 - share), penalty) for part, penalty in linear.choices), (share, KERNEL_PENALTY))
    return CrossFitted(head, blended(share), losses[share], choices, kernel)


def classes_head(class_weights: Tensor) -> FitHeads:
    """Makes softmax regressions; class_weights: float32 (K,), what a picture of each class counts."""
    return lambda features, targets, penalties: fit_softmax(
        features, targets, len(class_weights), penalties, class_weights[targets]
    )


def cross_entropy(class_weights: Tensor) -> Loss:
    """The mean cross entropy; class_weights: as of `classes_head`."""
    return lambda scores, targets: F.cross_entropy(scores, targets, class_weights)


def equal_classes(classes: Tensor, count: int) -> Tensor:
    """Weights under which all classes count the same: int64 (N,) -> float32 (count,), mean 1."""
    counts = torch.bincount(classes, minlength=count)
    return len(classes) / (count * counts.clamp_min(1))


def numbers_head(features: Tensor, targets: Tensor, penalties: Sequence[float]) -> list[nn.Linear]:
    """Makes ridge regressions."""
    return fit_ridge(features, targets, penalties)


def absolute_error(scores: Tensor, targets: Tensor) -> Tensor:
    """The mean absolute error of standardised numbers."""
    return (scores[:, 0] - targets).abs().mean()


def _examples(
    features: npt.NDArray[np.float16], targets: Tensor, index: npt.NDArray[np.intp]
) -> tuple[Tensor, Tensor]:
    """All views of the chosen pictures as examples of their own: float32 (n * V, F) and (n * V,)."""
    chosen = torch.from_numpy(features[index]).float()
    return chosen.flatten(0, 1), targets[torch.from_numpy(index)].repeat_interleave(chosen.shape[1])
