"""Learning a model of a user's own pictures: descriptions, a cross-fitted head, a calibrated file."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from models.card import Data, Golden, Measured, Outputs, Reference
from models.image.views import AnyView
from models.model import Model
from training.custom.calibrate import classifier, regressor
from training.custom.crossfit import (
    RIDGE_PENALTIES,
    SOFTMAX_PENALTIES,
    CrossFitted,
    absolute_error,
    classes_head,
    cross_entropy,
    cross_fit,
    cross_fit_kernel,
    equal_classes,
    numbers_head,
)
from training.custom.descriptions import describe_pictures
from training.custom.familiar import THRESHOLD, fit_likeness
from training.custom.outliers import describe_strangers, strangers
from training.custom.registry import OWN
from training.custom.trunk import Behind, Trunk
from training.custom.tuning.finetune import FineTune, classes_aim, fine_tune, is_wanted, numbers_aim
from training.data import augment
from training.data.collection.checks import Checked
from training.data.collection.folds import folds_of
from training.data.collection.pixels import Pixels
from training.data.splits import Examples
from training.evaluation.unseen import measured
from training.export import onnx_graph
from training.export.drift_reference import reference
from training.export.verification import write_verified
from training.fitting.result import LinearScaler, LogPriceScaler
from training.networks.architectures import Network

FOLDS = 5

ANSWERED_AT_ONCE = 16
"""Pictures of a test folder in one run of the written file."""

GOLDEN_PICTURES = 4
"""Drawn ones: a model file must not give away its owner's pictures."""


@dataclass(frozen=True)
class Options:
    """What the owner says beside the pictures.

    Attributes:
        name: Of the model.
        view: How pictures become pixels.
        unit: Of numbers.
        basis: What a number means, such as "list price when new".
        scale: "log": the logarithms of numbers are learned, so that relative errors weigh the same.
        balanced: Each class counts the same, however many pictures it has.
        fresh: Describe pictures again that an earlier run has described.
        seed: Of the bootstrap.
        strangers: Pictures of other things that familiarity is measured on.
        fine_tune: Whether the last blocks learn too: "auto" tries it where there is enough to learn from,
            "always" does it whatever pictures left out say.
    """

    name: str
    view: AnyView
    unit: str = "USD"
    basis: str = "as given"
    scale: Literal["log", "linear"] = "log"
    balanced: bool = False
    fresh: bool = False
    seed: int = 0
    strangers: int = 300
    fine_tune: FineTune = "auto"


@dataclass(frozen=True)
class Learned:
    """A written model, and what it answers to pictures it was not fitted to.

    Attributes:
        path: The file.
        outputs: Of each picture in the collection's order; of those trained on by a head that left them out.
        examples: Their targets and what is known of them, in the same order, without pixels.
        held_out: int (M,): the pictures that the metrics are of.
        refused: The fraction of each kind of other pictures that is not familiar.
        pixels: Of the same pictures.
    """

    path: Path
    outputs: Outputs
    examples: Examples
    held_out: npt.NDArray[np.intp]
    refused: Mapping[str, float]
    pixels: Pixels


def learn(checked: Checked, trunk: Trunk, options: Options, zoo: Path, root: Path, threads: int) -> Learned:
    """Fit, calibrate, measure and write a model.

    Args:
        checked: The collection.
        trunk: What describes its pictures.
        options: What its owner says.
        zoo: Where the file goes.
        root: The data folder, with the cache of descriptions.
        threads: To describe pictures with.

    Raises:
        ExportError: The written file answers differently from torch.
    """
    collection, view = checked.collection, options.view
    describe = trunk.describe(view, root, threads)
    key, widths = (trunk.digest, view), trunk.body.widths
    folds, examples = folds_of(checked, FOLDS), _examples(checked)
    trained = folds >= 0
    tuning = is_wanted(options.fine_tune, trunk, int(trained.sum()))
    wide = (trunk.describe(view, root, threads, maps=True), (*key, "maps")) if tuning else (describe, key)
    described = describe_pictures(checked.opened, wide[0], augment.photo, wide[1], root, options.fresh)
    features = described[:, :, : sum(widths)]
    others = describe_strangers(describe, key, view, options.strangers, 2, root)
    tested = np.array([entry.part == "test" for entry in collection.entries])
    unseen = np.flatnonzero(~tested)
    likeness, familiar = fit_likeness(features, folds, widths[0])
    facts = _facts(checked, examples, trunk, options, int(trained.sum()))
    facts["familiarity_threshold"] = THRESHOLD
    if collection.task == "classification":
        targets = torch.from_numpy(examples.targets.astype(np.int64))
        count = len(collection.labels)
        weights = equal_classes(targets[trained], count) if options.balanced else torch.ones(count)
        fit, loss, aim = classes_head(weights), cross_entropy(weights), classes_aim(weights)
        fitted = cross_fit(features, targets, folds, widths, fit, loss, SOFTMAX_PENALTIES)
        facts["labels"] = collection.labels
    else:
        scaler = (LogPriceScaler if options.scale == "log" else LinearScaler).of(examples.targets[trained])
        targets, aim = scaler.standardise(examples.targets), numbers_aim()
        fitted = cross_fit(features, targets, folds, widths, numbers_head, absolute_error, RIDGE_PENALTIES)
        fitted = cross_fit_kernel(fitted, features, targets, folds, widths)
        facts |= {"unit": options.unit, "basis": options.basis}
    anyway = options.fine_tune == "always"
    tuned = fine_tune(fitted, described, targets, folds, trunk.tail(view), aim, anyway) if tuning else None
    if tuned:
        fitted = tuned.fitted
        facts["summary"] = facts["summary"].removesuffix(".") + f", {tuned.told}."
    network = _network(trunk, fitted)
    if collection.task == "classification":
        head, card, outputs = classifier(network, fitted, likeness, examples, unseen, weights, facts)
    else:
        head, card, outputs = regressor(network, fitted, likeness, examples, unseen, scaler, facts)
    outputs = {name: np.array(values) for name, values in {**outputs, "familiarity": familiar}.items()}
    refused = {
        kind: float((likeness(torch.from_numpy(rows).float()) < THRESHOLD).float().mean())
        for kind, rows in others.items()
    }
    held_out = np.flatnonzero(tested if tested.any() else trained)
    data = f"{options.name}, " + ("test folder" if tested.any() else f"{FOLDS}-fold cross-validation")

    def measures(model: Model) -> tuple[Measured, Reference]:
        if tested.any():
            # What the file itself answers; to pictures left out in turn it has no answer of its own.
            _answer(model, checked.opened.pixels, held_out, outputs)
        answers = {name: values[held_out] for name, values in outputs.items()}
        threshold, test = card.familiarity_threshold, examples[held_out]
        found = measured(data, answers, test, examples[trained], threshold, refused, options.seed)
        return found, reference(model.card, answers, found.data)

    golden = np.concatenate(list(strangers(view, GOLDEN_PICTURES, 3, root).values()))[:GOLDEN_PICTURES]
    some = torch.from_numpy((described if tuned else features)[:2, 0]).float()
    if tuned:
        describe, head = wide[0], nn.Sequential(tuned.features, head)
    graph = onnx_graph.trace_part(head, some, "features", card.outputs)
    graph = onnx_graph.join(trunk.graph(view, root, maps=tuned is not None), graph, card)
    path = write_verified(Behind(describe, head), graph, card, golden, zoo, measures)
    return Learned(path, outputs, examples, held_out, refused, checked.opened.pixels)


def _answer(model: Model, pixels: Pixels, index: npt.NDArray[np.intp], outputs: Outputs) -> None:
    """Put the answers of a file into the rows of these pictures."""
    for rows in np.array_split(index, -(-len(index) // ANSWERED_AT_ONCE)):
        for name, values in model(pixels[rows]).items():
            outputs[name][rows] = values


def _network(trunk: Trunk, fitted: CrossFitted) -> Network:
    """The head alone, behind features as they are."""
    return Network(nn.Identity(), fitted.head, trunk.mean, trunk.std, fitted.kernel).eval()


def _examples(checked: Checked) -> Examples:
    collection = checked.collection
    if collection.task == "classification":
        labels = {label: index for index, label in enumerate(collection.labels)}
        targets = np.array([labels[entry.label] for entry in collection.entries])
    else:
        targets = np.array([entry.number for entry in collection.entries])
    nothing = np.zeros((len(targets), 0), np.uint8)  # thousands of pictures are too many to hold and to copy
    return Examples(nothing, targets, checked.clusters.astype(str))


def _facts(
    checked: Checked, examples: Examples, trunk: Trunk, options: Options, trained: int
) -> dict[str, Any]:
    """Fields of either card, with placeholders for metrics and golden outputs."""
    classes = checked.collection.task == "classification"
    kinds = f"{len(checked.collection.labels)} classes" if classes else options.unit
    return {
        "name": options.name,
        "summary": f"A picture of one's own: {kinds}, by a head on the features of {trunk.name}.",
        "view": options.view,
        "training": Data(
            name=f"{OWN}{options.name}",
            count=trained,
            fingerprint=_fingerprint(checked.opened.pixels, examples),
            licence="the owner's",
            notes=tuple(_note(finding.what, len(finding.files)) for finding in checked.findings),
        ),
        "measured": Measured(data="none", n=1, values={}, baseline={}),
        "golden": Golden.of(np.zeros((1, *options.view.shape), np.uint8), {}),
        "licence": "the owner's",
    }


def _fingerprint(pixels: Pixels, examples: Examples) -> str:
    """As Examples.fingerprint, without holding all pictures."""
    digest = hashlib.sha256()
    for index in range(len(pixels)):
        digest.update(pixels[index].data)
    digest.update(np.ascontiguousarray(examples.targets).data)
    return digest.hexdigest()


def _note(what: str, files: int) -> str:
    return f"{what} ({files} pictures)" if files > 1 else what
