"""Calibration by pictures that a head has not seen, and the head and card that follow from it."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.card import Card, ClassifierCard, Outputs, RegressorCard
from training.custom.crossfit import CrossFitted
from training.data.splits import Examples
from training.export.calibration import fit_interval, fit_temperature
from training.export.modules import ClassifierHead, RegressorHead
from training.fitting.result import LinearScaler, LogPriceScaler
from training.networks.architectures import Network

COVERAGE = 0.9
"""Fraction of true numbers meant to lie between low and high."""


def classifier(
    network: Network,
    fitted: CrossFitted,
    familiarity: nn.Module,
    examples: Examples,
    unseen: npt.NDArray[np.intp],
    class_weights: Tensor,
    facts: Mapping[str, Any],
) -> tuple[nn.Module, Card, Outputs]:
    """A classifier with its temperature.

    Args:
        network: With the head that was fitted to all pictures.
        fitted: The scores of each picture by a head that left it out.
        familiarity: Of the features.
        examples: All pictures.
        unseen: Those that calibration may use.
        class_weights: What a picture of each class counts, (K,).
        facts: Fields of the card, `labels` among them.

    Returns:
        The head, features -> outputs, its card, and the probabilities of the scores.
    """
    classes = torch.from_numpy(examples.targets.astype(np.int64))
    # As if the next picture might be the first mistake.
    smoothing = 1 / (len(unseen) + 1)
    temperature = fit_temperature(fitted.scores[unseen], classes[unseen], smoothing, class_weights)
    outputs = {"probabilities": (fitted.scores / temperature).softmax(1).numpy()}
    head = ClassifierHead(network, temperature, familiarity).eval()
    return head, ClassifierCard(version=_version(network, str(temperature)), **facts), outputs


def regressor(
    network: Network,
    fitted: CrossFitted,
    familiarity: nn.Module,
    examples: Examples,
    unseen: npt.NDArray[np.intp],
    scaler: LogPriceScaler | LinearScaler,
    facts: Mapping[str, Any],
) -> tuple[nn.Module, Card, Outputs]:
    """A regressor with its interval.

    Args:
        network: With the head that was fitted to all pictures.
        fitted: The scores of each picture by a head that left it out.
        familiarity: Of the features.
        examples: All pictures, with what must not be on both sides of a split as groups.
        unseen: Those that calibration may use.
        scaler: Of the targets.
        facts: Fields of the card, `unit` and `basis` among them.

    Returns:
        The head, features -> outputs, its card, and value, low and high of the scores.
    """
    scores = fitted.scores[:, 0]
    predicted = scores.double().numpy()
    targets, groups = examples.targets.astype(np.float64), examples.groups
    assert groups is not None
    residuals = scaler.scaled(targets) - (predicted * scaler.std + scaler.mean)
    interval = fit_interval(residuals[unseen], predicted[unseen], groups[unseen], COVERAGE)
    value = scores * scaler.std + scaler.mean
    low, high = (value + bound for bound in interval(scores))
    values = {"value": value, "low": low, "high": high}
    outputs = {name: scaler.unscaled(number).float().numpy() for name, number in values.items()}
    head = RegressorHead(network, scaler, interval, familiarity).eval()
    version = _version(network, f"{interval}{scaler}")
    return head, RegressorCard(coverage=COVERAGE, version=version, **facts), outputs


def _version(network: Network, fitted: str) -> str:
    """Twelve digits of the sha256 over head, kernel and calibration; the trunk is fixed."""
    digest = hashlib.sha256(fitted.encode())
    kernel = [] if network.kernel is None else [network.kernel.landmarks, network.kernel.weights]
    for value in (network.head.weight, network.head.bias, *kernel):
        digest.update(value.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
