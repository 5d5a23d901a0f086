"""From a fitted network to one self-describing .onnx file, verified before it gets its name."""

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn

from models.card import (
    Card,
    ClassifierCard,
    Data,
    Golden,
    Measured,
    Outputs,
    RegressorCard,
)
from models.model import CPU, open_model
from training.data import augment
from training.data.sources import DATA
from training.data.splits import Examples, Splits
from training.data.synthetic.cars import draw, draw_model
from training.data.synthetic.outliers import draw_outliers
from training.data.synthetic.pages import pages
from training.evaluation.evaluate import evaluate
from training.export import calibration as calibrate
from training.export import onnx_graph
from training.export.drift_reference import reference
from training.export.modules import Classifier, Regressor
from training.fitting.fit import to_float
from training.fitting.result import LogPriceScaler, TrainingResult
from training.networks.architectures import Network
from training.recipe import Recipe

COVERAGE = 0.9
TOLERANCE = 1e-4
"""How far onnxruntime may be from torch, relative to max(1, |answer|)."""

HALF_TOLERANCE = 1e-2
"""The same for a file whose weights are stored as float16: a price moves by less than one percent."""

MAX_OUTLIERS, MAX_KNOWN = 12_000, 12_000
"""Pictures that familiarity is learned from, on either side, at most; a quarter of them behind a
backbone, where each costs a hundred times as much."""

PAGES = 4000
"""Digits on pages among the known, for models that learned from such."""

PRICE_UNIT, PRICE_BASIS = "USD", "list price when new"


class ExportError(Exception):
    """No file was written: the model misses a floor, or the graph answers differently from torch."""


def export(recipe: Recipe, fitted: TrainingResult, splits: Splits, folder: Path, root: Path = DATA) -> Path:
    """Calibrate, write, verify and measure; only then does folder/<name>.onnx appear.

    root: where the data sets lie that familiarity learns strangers from.
    Raises ExportError; a file that stood there before stays as it was.
    """
    share = 4 if recipe.frozen_body else 1
    kinds = draw_outliers(recipe.data, recipe.view, MAX_OUTLIERS // share, seed=1, root=root)
    outliers = np.concatenate(list(kinds.values()))
    served, card = _calibrated(recipe, fitted, splits, outliers)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        path = Path(work, f"{recipe.name}.onnx")
        graph = onnx_graph.trace(served, recipe, card)
        golden = _golden_pixels(recipe, splits)
        expected = _torch_answers(served, golden, card)
        # The first file has a card without metrics; they are measured on it and go into the second.
        card = card.model_copy(update={"golden": Golden.of(golden, expected)})
        onnx_graph.write(graph, card, path)
        _same_answers(open_model(path)(golden), expected, TOLERANCE)
        if recipe.half_weights:
            onnx_graph.halve(graph)
            onnx.save_model(graph, path)
            answered = _answered(path, golden, card)
            _same_answers(answered, expected, HALF_TOLERANCE)
            card = card.model_copy(update={"golden": Golden.of(golden, answered)})
            onnx_graph.write(graph, card, path)
        model = open_model(path)
        fresh = draw_outliers(recipe.data, recipe.view, 1000, seed=2, root=root)
        found = evaluate(model, splits, fresh)
        _above_floors(recipe, found.measured)
        usual = reference(card, found.outputs, found.measured.data)
        onnx_graph.write(
            graph, card.model_copy(update={"measured": found.measured, "reference": usual}), path
        )
        open_model(path)
        target = folder / path.name
        path.replace(target)
    return target


def _calibrated(
    recipe: Recipe, fitted: TrainingResult, splits: Splits, outliers: npt.NDArray[np.uint8]
) -> tuple[nn.Module, Card]:
    """The module that answers, and its card but for golden answers and metrics."""
    network = fitted.network.to(memory_format=torch.channels_last)
    familiarity = _familiarity(recipe, network, splits.train, outliers)
    calibration = _features(network, splits.calibration.pixels)
    facts = {
        "name": recipe.name,
        "version": _version(network),
        "summary": recipe.summary,
        "view": recipe.view,
        "familiarity_threshold": _threshold(familiarity, calibration),
        "training": Data(
            name=splits.name,
            count=len(splits.train),
            made=recipe.pages,
            fingerprint=splits.fingerprint,
            licence=splits.licence,
        ),
        "curves": fitted.curves,
        "measured": Measured(data="none", n=1, values={}, baseline={}),
        "golden": Golden.of(np.zeros((1, *recipe.view.shape), np.uint8), {}),  # until the file is there
        "licence": "Apache-2.0",
    }
    served: nn.Module
    if recipe.task == "classification":
        classes = torch.from_numpy(splits.calibration.targets.astype(np.int64))
        temperature = calibrate.temperature(_scores(network, calibration), classes)
        served = Classifier(network, temperature, familiarity)
        return served.eval(), ClassifierCard(labels=recipe.labels, **facts)
    assert fitted.target is not None
    # Early stopping has only chosen an epoch by the validation groups; a tail of one in twenty groups
    # needs all the groups there are.
    unseen = Examples.joined(splits.calibration, splits.validation)
    features = torch.cat([calibration, _features(network, splits.validation.pixels)])
    interval = _interval(_scores(network, features), fitted.target, unseen)
    served = Regressor(network, fitted.target.mean, fitted.target.std, interval, familiarity)
    facts["version"] = _version(network, str(interval))
    card = RegressorCard(unit=PRICE_UNIT, basis=PRICE_BASIS, coverage=COVERAGE, **facts)
    return served.eval(), card


def _familiarity(
    recipe: Recipe, network: Network, train: Examples, outliers: npt.NDArray[np.uint8]
) -> calibrate.Familiarity:
    """Known is what the network was trained on, as it is and as augmentation changed it."""
    known = train.pixels[np.random.default_rng(recipe.seed).permutation(len(train))]
    known = known[: MAX_KNOWN // 4 if recipe.frozen_body else MAX_KNOWN]
    if recipe.pages:
        known = np.concatenate([known, pages(train, min(recipe.pages, PAGES), recipe.view, seed=1).pixels])
    torch.manual_seed(recipe.seed)
    features = [_features(network, known), _features(network, known, recipe.augment)]
    return calibrate.Familiarity(torch.cat(features), _features(network, outliers))


@torch.no_grad()
def _features(
    network: Network, pixels: npt.NDArray[np.uint8], change: Callable[[Tensor], Tensor] = augment.none
) -> Tensor:
    batches = torch.from_numpy(pixels).split(32)
    return torch.cat([network.features(change(to_float(batch))) for batch in batches])


@torch.no_grad()
def _threshold(familiarity: calibrate.Familiarity, features: Tensor) -> float:
    return calibrate.threshold(familiarity(features).numpy())


@torch.no_grad()
def _scores(network: Network, features: Tensor) -> Tensor:
    return network.scores(features)


def _interval(scores: Tensor, target: LogPriceScaler, unseen: Examples) -> calibrate.Interval:
    """From the scores of pictures whose groups no weight was trained on."""
    assert unseen.groups is not None
    said = scores[:, 0].double().numpy()
    residuals = np.log(unseen.targets.astype(np.float64)) - (said * target.std + target.mean)
    return calibrate.interval(residuals, said, unseen.groups, COVERAGE)


def _version(network: Network, more: str = "") -> str:
    """Twelve digits of the sha256 over the weights: the same training gives the same version.

    more: what else decides the answers."""
    digest = hashlib.sha256(more.encode())
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def _golden_pixels(recipe: Recipe, splits: Splits) -> npt.NDArray[np.uint8]:
    """Four pictures that may be published: test digits, or drawings instead of anybody's photos."""
    if recipe.task == "classification":
        return splits.test.pixels[:4]
    rng = np.random.default_rng(4)
    drawings = [np.asarray(draw(draw_model(rng), rng)) for _ in range(4)]
    return np.stack([recipe.view(drawing) for drawing in drawings])


@torch.no_grad()
def _torch_answers(served: nn.Module, pixels: npt.NDArray[np.uint8], card: Card) -> Outputs:
    outputs = served(torch.from_numpy(pixels))
    return {name: value.numpy() for name, value in zip(card.outputs, outputs, strict=True)}


def _answered(path: Path, pixels: npt.NDArray[np.uint8], card: Card) -> Outputs:
    session = ort.InferenceSession(path, providers=[CPU])
    return dict(zip(card.outputs, session.run(list(card.outputs), {"pixels": pixels}), strict=True))


def _same_answers(answered: Outputs, expected: Outputs, tolerance: float) -> None:
    for name, value in expected.items():
        gap = np.abs(answered[name] - value) / np.maximum(np.abs(value), 1)
        if not np.all(gap <= tolerance):
            raise ExportError(f"{name} differs from torch by {gap.max():.2e}; nothing was written.")


def _above_floors(recipe: Recipe, measured: Measured) -> None:
    """Accuracies must reach their floor; errors must stay under theirs."""
    for metric, floor in recipe.floors.items():
        value = measured.values[metric]
        is_error = metric in ("median_ape", "mape", "mae", "ece")
        if value > floor if is_error else value < floor:
            raise ExportError(
                f"{recipe.name}: {metric} is {value:.4g}, its floor is {floor:.4g}; nothing was written."
            )
