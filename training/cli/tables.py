"""What evaluations came to, as tables for a terminal."""

from collections.abc import Iterator

from rich.table import Table

from models.card import Card
from training.evaluation.crossvalidate import HeldOut
from training.evaluation.evaluate import Evaluation
from training.evaluation.online import FeedbackJoin, PredictionLog

REPORTED = ("median_ape", "mae", "r2_log")
"""The errors that cross-validation states of each kind of photo."""


def of_evaluation(card: Card, evaluation: Evaluation) -> Iterator[Table]:
    """The metrics beside the card's and the constant's, the confusion matrix, and the strangers."""
    measured = evaluation.measured
    title = f"{card.name}: {measured.data}, n = {measured.n}"
    metrics = Table("metric", "now", "in the card", "constant", title=title)
    for metric, value in measured.values.items():
        then, constant = (
            f"{known[metric]:.4g}" if metric in known else "-"
            for known in (card.measured.values, measured.baseline)
        )
        metrics.add_row(metric, f"{value:.4g}", then, constant)
    yield metrics
    if card.task == "classification" and evaluation.confusion is not None:
        confusion = Table("true class", *card.labels, title="confusion matrix: columns are answers")
        for label, row in zip(card.labels, evaluation.confusion, strict=True):
            confusion.add_row(label, *(str(count) if count else "." for count in row))
        yield confusion
    strangers = Table("strangers", "not familiar")
    for kind, share in evaluation.refused.items():
        strangers.add_row(kind, f"{share:.1%}")
    yield strangers


def of_folds(title: str, held_out: HeldOut) -> Table:
    """Errors of each kind of photo, beside those of the constant."""
    table = Table("photos", "n", "metric", "model", "constant", title=title)
    for kind, (count, found, constant) in held_out.figures().items():
        for metric in REPORTED:
            table.add_row(kind, str(count), metric, f"{found[metric]:.4g}", f"{constant[metric]:.4g}")
    return table


def of_live(log: PredictionLog, joined: FeedbackJoin) -> Iterator[Table]:
    """Each model's answers and errors in service, and what of the log could not be used."""
    for model in joined.models:
        live = Table("in service", "", title=f"{model.model}, version {model.version}")
        live.add_row("answered", f"{model.answered:,}")
        live.add_row("familiar", f"{model.familiar:.1%}")
        live.add_row("truth is known", f"{model.told:,}")
        if model.accuracy is not None:
            live.add_row("accuracy", _share(model.accuracy))
        if model.median_ape is not None:
            live.add_row("median_ape", f"{model.median_ape:.1%}")
        if model.coverage is not None:
            live.add_row("coverage", _share(model.coverage))
        yield live
    unused = Table("feedback that was not used", "n")
    unused.add_row("of no prediction in the log", str(joined.unmatched))
    unused.add_row("of an id under which a model answered twice", str(joined.ambiguous))
    unused.add_row("a number for a class, or a word for a price", str(joined.wrong_kind))
    unused.add_row("told again later", str(joined.repeated))
    unused.add_row("broken lines, of either kind", str(log.broken))
    yield unused


def _share(found: tuple[float, float, float]) -> str:
    return "{:.1%} (95 % interval: {:.1%} to {:.1%})".format(*found)
