"""From a trained network to one self-describing .onnx file, verified before it gets its name."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.card import Card, ClassifierCard, Data, Golden, Measured, Reference, RegressorCard
from models.model import Model
from training.data import augment
from training.data.sources import DATA
from training.data.splits import Examples, Splits
from training.data.synthetic.outliers import draw_outliers
from training.data.synthetic.pages import pages
from training.evaluation.evaluate import evaluate
from training.export import onnx_graph
from training.export.calibration import Interval, fit_interval, fit_temperature
from training.export.drift_reference import reference
from training.export.familiarity import (
    PUBLISHED_OPTIONS,
    Familiarity,
    FamiliarityOptions,
    familiarity_threshold,
)
from training.export.modules import Classifier, Regressor
from training.export.verification import check_floors, golden_pixels, write_verified
from training.fitting.result import LogPriceScaler, TrainingResult
from training.networks.architectures import Network, to_float
from training.recipe import Recipe

COVERAGE = 0.9
"""Fraction of true prices meant to lie between low and high."""

TRUNK_DIVISOR = 4
"""Behind a frozen trunk a picture costs a hundred times as much: familiarity is fitted on a quarter."""

PRICE_UNIT, PRICE_BASIS = "USD", "list price when new"


def export(
    recipe: Recipe,
    result: TrainingResult,
    splits: Splits,
    folder: Path,
    root: Path = DATA,
    options: FamiliarityOptions = PUBLISHED_OPTIONS,
) -> Path:
    """Calibrate, write, verify and measure a model; only then folder/<name>.onnx appears.

    Args:
        recipe: What was trained.
        result: Its network.
        splits: The data it was trained on.
        folder: Where the file goes; an older file of that name stays where this raises.
        root: Where the data sets are that outliers are made of.
        options: How much familiarity is fitted on.

    Raises:
        ExportError: The model misses a floor, or its outputs differ from torch's.
    """
    module, card = _calibrate(recipe, result, splits, options, root)

    def measure(model: Model) -> tuple[Measured, Reference]:
        outliers = draw_outliers(recipe.data, recipe.view, options.test_outliers, seed=2, root=root)
        evaluation = evaluate(model, splits, outliers)
        check_floors(recipe, evaluation.measured)
        return evaluation.measured, reference(card, evaluation.outputs, evaluation.measured.data)

    golden = golden_pixels(recipe, splits)
    graph = onnx_graph.trace(module, card)
    return write_verified(module, graph, card, golden, folder, measure, recipe.half_weights)


def _calibrate(
    recipe: Recipe, result: TrainingResult, splits: Splits, options: FamiliarityOptions, root: Path
) -> tuple[nn.Module, Card]:
    """The module to export, and its card without golden outputs and metrics."""
    network = result.network.to(memory_format=torch.channels_last)
    familiarity = _fit_familiarity(recipe, network, splits.train, options, root)
    features = _features(network, splits.calibration.pixels)
    written = _features(network, _unseen_pages(recipe, splits.calibration, options, root))
    threshold = _threshold(familiarity, torch.cat([features, written]))
    facts = _facts(recipe, result, splits) | {"familiarity_threshold": threshold}
    module: nn.Module
    if recipe.task == "classification":
        classes = torch.from_numpy(splits.calibration.targets.astype(np.int64))
        module = Classifier(network, fit_temperature(_scores(network, features), classes), familiarity)
        return module.eval(), ClassifierCard(labels=recipe.labels, version=_version(network), **facts)
    assert result.scaler is not None
    # The validation groups too: early stopping only chose an epoch by them, and a tail of one in twenty
    # groups needs all the groups there are.
    unseen = Examples.joined(splits.calibration, splits.validation)
    features = torch.cat([features, _features(network, splits.validation.pixels)])
    interval = _interval(_scores(network, features), result.scaler, unseen)
    module = Regressor(network, result.scaler, interval, familiarity)
    version = _version(network, str(interval))
    card = RegressorCard(unit=PRICE_UNIT, basis=PRICE_BASIS, coverage=COVERAGE, version=version, **facts)
    return module.eval(), card


def _facts(recipe: Recipe, result: TrainingResult, splits: Splits) -> dict[str, Any]:
    """Fields of every card, with placeholders for metrics and golden outputs."""
    return {
        "name": recipe.name,
        "summary": recipe.summary,
        "view": recipe.view,
        "training": Data(
            name=splits.name,
            count=len(splits.train),
            made=recipe.pages,
            fingerprint=splits.fingerprint,
            licence=splits.licence,
        ),
        "curves": result.curves,
        "measured": Measured(data="none", n=1, values={}, baseline={}),
        "golden": Golden.of(np.zeros((1, *recipe.view.shape), np.uint8), {}),
        "licence": "Apache-2.0",
    }


def _fit_familiarity(
    recipe: Recipe, network: Network, train: Examples, options: FamiliarityOptions, root: Path
) -> Familiarity:
    """Fit on training pictures, as they are and as augmentation changes them, and on outliers."""
    if recipe.frozen_body:
        options = replace(
            options,
            outliers=options.outliers // TRUNK_DIVISOR,
            examples=options.examples // TRUNK_DIVISOR,
        )
    kinds = draw_outliers(recipe.data, recipe.view, options.outliers, seed=1, root=root)
    chosen = np.random.default_rng(recipe.seed).permutation(len(train))[: options.examples]
    pixels = train.pixels[chosen]
    if recipe.pages:
        # Those it was trained on, which are in the cache.
        written = pages(train, recipe.pages, recipe.view, recipe.seed, root=root).pixels
        pixels = np.concatenate([pixels, written[: options.pages]])
    torch.manual_seed(recipe.seed)
    features = torch.cat([_features(network, pixels), _features(network, pixels, recipe.augment)])
    outliers = _features(network, np.concatenate(list(kinds.values())))
    return Familiarity(features, outliers, steps=options.steps)


def _unseen_pages(
    recipe: Recipe, calibration: Examples, options: FamiliarityOptions, root: Path
) -> npt.NDArray[np.uint8]:
    """Calibration digits on pages, as many as there are; none where the recipe has no pages.

    The digits of users vary more than those of one data set: the threshold is for both.
    """
    count = min(len(calibration), options.pages) if recipe.pages else 0
    if count == 0:
        return calibration.pixels[:0]
    return pages(calibration, count, recipe.view, seed=2, root=root).pixels


@torch.no_grad()
def _features(
    network: Network, pixels: npt.NDArray[np.uint8], change: Callable[[Tensor], Tensor] = augment.none
) -> Tensor:
    batches = torch.from_numpy(pixels).split(32)
    features = [network.features(change(to_float(batch))) for batch in batches if len(batch)]
    return torch.cat(features) if features else torch.empty(0, network.head.in_features)


@torch.no_grad()
def _threshold(familiarity: Familiarity, features: Tensor) -> float:
    return familiarity_threshold(familiarity(features).numpy())


@torch.no_grad()
def _scores(network: Network, features: Tensor) -> Tensor:
    return network.scores(features)


def _interval(scores: Tensor, scaler: LogPriceScaler, unseen: Examples) -> Interval:
    """Fit the interval to the scores of pictures whose groups were never trained on."""
    assert unseen.groups is not None
    predicted = scores[:, 0].double().numpy()
    residuals = np.log(unseen.targets.astype(np.float64)) - (predicted * scaler.std + scaler.mean)
    return fit_interval(residuals, predicted, unseen.groups, COVERAGE)


def _version(network: Network, fitted: str = "") -> str:
    """Twelve digits of the sha256 over the weights: the same training gives the same version.

    Args:
        network: Whose weights they are.
        fitted: What else decides the outputs.
    """
    digest = hashlib.sha256(fitted.encode())
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
