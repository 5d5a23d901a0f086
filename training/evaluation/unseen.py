"""Metrics of answers to unseen pictures, each with its 95 % interval."""

from collections.abc import Mapping

import numpy as np

from models.card import Measured, Outputs
from training.data.splits import Examples
from training.evaluation.evaluate import classification, errors, regression
from training.evaluation.online import wilson

FRACTIONS = ("accuracy", "familiar", "coverage")
"""Metrics that count pictures: their interval is Wilson's, those of others are bootstrapped."""

RESAMPLES = 400

BIASED = ("ece",)
"""Metrics that are higher of any resample: pictures that are in it twice look like a wrong probability."""

Bounds = dict[str, tuple[float, float]]


def measure(
    outputs: Outputs, examples: Examples, threshold: float, seed: int
) -> tuple[dict[str, float], Bounds]:
    """The metrics of a model's outputs, and the ends of their 95 % intervals.

    Args:
        outputs: As the model returns them, for pictures that it was not fitted to.
        examples: Their true classes or numbers; where they have groups, whole groups are drawn.
        threshold: Of the familiarity.
        seed: Of the bootstrap.
    """
    values = _metrics(outputs, examples, threshold)
    n = len(examples)
    bounds = {name: wilson(round(values[name] * n), n) for name in FRACTIONS if name in values}
    draws = [
        _metrics({name: rows[index] for name, rows in outputs.items()}, examples[index], threshold)
        for index in resamples(examples, seed)
    ]
    for name in values.keys() - bounds.keys():
        low, middle, high = np.nanquantile([draw[name] for draw in draws], (0.025, 0.5, 0.975))
        if name in BIASED:
            low, high = (max(bound - middle + values[name], 0.0) for bound in (low, high))
        bounds[name] = (float(low), float(high))
    return values, {name: bounds[name] for name in values}


def measured(
    data: str,
    answers: Outputs,
    test: Examples,
    train: Examples,
    threshold: float,
    refused: Mapping[str, float],
    seed: int,
) -> Measured:
    """The metrics of a card, to four significant digits.

    Args:
        data: Which pictures they are of.
        answers: To these pictures.
        test: Their true classes or numbers.
        train: Those of the pictures that were learned from.
        threshold: Of the familiarity.
        refused: The fraction of each kind of other pictures that is not familiar.
        seed: Of the bootstrap.
    """
    values, bounds = measure(answers, test, threshold, seed)
    values["strangers_refused"] = float(np.mean(list(refused.values())))
    return Measured(
        data=data,
        n=len(test),
        values=_rounded(values),
        baseline=_rounded(baseline(train, test, "probabilities" in answers)),
        intervals={name: (_round(low), _round(high)) for name, (low, high) in bounds.items()},
    )


def _metrics(outputs: Outputs, examples: Examples, threshold: float) -> dict[str, float]:
    if "probabilities" in outputs:
        _, values = classification(outputs, examples)
    else:
        values = regression(outputs, examples)
    return values | {"familiar": float((outputs["familiarity"] >= threshold).mean())}


def baseline(train: Examples, test: Examples, classes: bool) -> dict[str, float]:
    """The metrics of the best constant: the most frequent class, or the median number."""
    if classes:
        most = int(np.bincount(train.targets.astype(np.int64)).argmax())
        return {"accuracy": float((test.targets == most).mean())}
    constant = np.full(len(test), np.median(train.targets.astype(np.float64)))
    return errors(constant, test.targets.astype(np.float64))


def resamples(examples: Examples, seed: int) -> list[np.ndarray]:  # type: ignore[type-arg]
    """Indices of pictures drawn with replacement, group by group where there are groups."""
    rng = np.random.default_rng(seed)
    groups = np.arange(len(examples)) if examples.groups is None else examples.groups
    _, index = np.unique(groups, return_inverse=True)
    members = np.split(np.argsort(index, kind="stable"), np.cumsum(np.bincount(index))[:-1])
    return [
        np.concatenate([members[group] for group in rng.integers(len(members), size=len(members))])
        for _ in range(RESAMPLES)
    ]


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: _round(value) for name, value in values.items()}


def _round(value: float) -> float:
    return float(f"{value:.4g}")
