"""The comparison of an old and a new file on pictures that neither had seen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.card import ClassifierCard, Outputs
from models.image.decode import open_picture
from models.model import Model
from training.custom.learn import Learned
from training.custom.registry import Unseen
from training.data.collection.checks import Checked
from training.data.splits import DataError
from training.evaluation.evaluate import predict
from training.evaluation.unseen import resamples

SEED = 0

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """Both files on some pictures.

    Attributes:
        pictures: Which.
        count: How many.
        old: Metric of the old file.
        new: Metric of the new file.
        low: Lower end of the 95 % interval of new - old.
        high: Upper end.
    """

    pictures: str
    count: int
    old: float
    new: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """Of the new to the old."""
        return self.new - self.old


@dataclass(frozen=True)
class Comparison:
    """Both files on the same pictures.

    Attributes:
        metric: accuracy, or median_ape of numbers.
        rows: All pictures first, then those from before and those that were added, where there are any.
        left_out: Pictures that are not compared on, and why, with their number.
    """

    metric: str
    rows: tuple[Row, ...]
    left_out: tuple[tuple[str, int], ...]

    @property
    def is_worse(self) -> bool:
        """Whether the new file does worse on all pictures together."""
        difference = self.rows[0].difference
        return difference < 0 if self.metric == "accuracy" else difference > 0


def compare(old: Model, unseen: Unseen, checked: Checked, learned: Learned) -> Comparison:
    """Compare by answers to pictures that a file, or what answered for it, was not fitted to.

    The new file is judged by the heads that left each picture out. The old one: on pictures from before by
    what such heads answered when it was made, on added ones, which it never saw, by its own answers. Where
    there is a test folder, the pictures from before are those in it.

    Raises:
        DataError: No picture can be compared on.
    """
    collection, card = checked.collection, old.card
    known = {digest: row for row, digest in enumerate(unseen.digests)}
    rows = np.array([known.get(digest, -1) for digest in checked.opened.digests])
    added = rows < 0
    copies = added & np.isin(checked.clusters, checked.clusters[~added])
    held_out = np.zeros(len(rows), bool)
    held_out[learned.held_out] = True
    chosen = np.where(added, ~copies, held_out)
    left_out = [("look like what the old one was made of, or are of its groups", copies)]
    if isinstance(card, ClassifierCard):
        strange = np.array([entry.label not in card.labels for entry in collection.entries])
        left_out.append(("are of classes that the old one does not know", strange & chosen))
        chosen &= ~strange
    if not chosen.any():
        raise DataError("There is no picture to compare the old and the new file on; add some and try again.")
    index = np.flatnonzero(chosen)
    answers = _answers(old, unseen, checked, rows, index)
    new = {name: values[index] for name, values in learned.outputs.items()}
    if isinstance(card, ClassifierCard):
        truth = np.array([collection.entries[i].label for i in index])
        scores = [_hits(answers, card.labels, truth), _hits(new, collection.labels, truth)]
        metric, statistic = "accuracy", np.mean
    else:
        numbers = learned.examples.targets[index].astype(np.float64)
        scores = [np.abs(outputs["value"] / numbers - 1) for outputs in (answers, new)]
        metric, statistic = "median_ape", np.median
    parts = {"all": np.ones(len(index), bool), "from before": ~added[index], "added": added[index]}
    compared = [
        _row(
            name, scores[0][part], scores[1][part], statistic, resamples(learned.examples[index[part]], SEED)
        )
        for name, part in parts.items()
        if part.any()
    ]
    return Comparison(
        metric, tuple(compared), tuple((why, int(which.sum())) for why, which in left_out if which.any())
    )


def _answers(
    old: Model, unseen: Unseen, checked: Checked, rows: npt.NDArray[np.intp], index: npt.NDArray[np.intp]
) -> Outputs:
    """The old outputs for the pictures at `index`: those that were kept, or else the file's own."""
    asked = index[rows[index] < 0]
    answers = {name: values[rows[index]] for name, values in unseen.outputs.items()}
    if len(asked):
        view, entries = old.card.view, checked.collection.entries
        pictures = (open_picture(entries[i].file.read_bytes(), view.shorter_side) for i in asked)
        own = predict(old, np.stack([view(picture) for picture in pictures]))
        for name, values in answers.items():
            values[rows[index] < 0] = own[name]
    return answers


def _hits(outputs: Outputs, labels: Sequence[str], truth: npt.NDArray[np.str_]) -> Scores:
    """1 for each right answer, else 0."""
    return (np.array(labels)[outputs["probabilities"].argmax(axis=1)] == truth).astype(np.float64)


def _row(
    pictures: str,
    old: Scores,
    new: Scores,
    statistic: Callable[[Scores], np.floating[Any]],
    draws: list[npt.NDArray[np.intp]],
) -> Row:
    """The metric of either, and the paired bootstrap of the difference over whole clusters."""
    differences = [float(statistic(new[draw]) - statistic(old[draw])) for draw in draws]
    low, high = np.quantile(differences, (0.025, 0.975))
    return Row(pictures, len(old), float(statistic(old)), float(statistic(new)), float(low), float(high))
