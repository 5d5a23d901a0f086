"""Evaluations as tables for a terminal."""

from collections.abc import Iterator

from rich.table import Table

from models.card import Card
from training.evaluation.crossvalidate import HeldOut
from training.evaluation.evaluate import Evaluation
from training.evaluation.online import FeedbackJoin, PredictionLog

REPORTED_ERRORS = ("median_ape", "mae", "r2_log")
"""What cross-validation reports of each kind of photo."""


def evaluation_tables(card: Card, evaluation: Evaluation) -> Iterator[Table]:
    """The metrics beside the card's and the constant's, the confusion matrix, and the outliers."""
    measured = evaluation.measured
    title = f"{card.name}: {measured.data}, n = {measured.n}"
    metrics = Table("metric", "now", "in the card", "constant", title=title)
    for metric, value in measured.values.items():
        in_card, constant = (
            f"{values[metric]:.4g}" if metric in values else "-"
            for values in (card.measured.values, measured.baseline)
        )
        metrics.add_row(metric, f"{value:.4g}", in_card, constant)
    yield metrics
    if card.task == "classification" and evaluation.confusion is not None:
        confusion = Table("true class", *card.labels, title="confusion matrix: columns are answers")
        for label, row in zip(card.labels, evaluation.confusion, strict=True):
            confusion.add_row(label, *(str(count) if count else "." for count in row))
        yield confusion
    outliers = Table("outliers", "not familiar")
    for kind, fraction in evaluation.refused.items():
        outliers.add_row(kind, f"{fraction:.1%}")
    yield outliers


def crossvalidation_table(title: str, held_out: HeldOut) -> Table:
    """The errors for each kind of photo, beside those of the constant."""
    table = Table("photos", "n", "metric", "model", "constant", title=title)
    for kind, (count, model, constant) in held_out.figures().items():
        for metric in REPORTED_ERRORS:
            table.add_row(kind, str(count), metric, f"{model[metric]:.4g}", f"{constant[metric]:.4g}")
    return table


def online_tables(log: PredictionLog, joined: FeedbackJoin) -> Iterator[Table]:
    """Each model's metrics in service, and the number of log lines that were not used."""
    for metrics in joined.models:
        table = Table("in service", "", title=f"{metrics.model}, version {metrics.version}")
        table.add_row("answered", f"{metrics.n:,}")
        table.add_row("familiar", f"{metrics.familiar:.1%}")
        table.add_row("truth is known", f"{metrics.n_labelled:,}")
        if metrics.accuracy is not None:
            table.add_row("accuracy", _with_interval(metrics.accuracy))
        if metrics.median_ape is not None:
            table.add_row("median_ape", f"{metrics.median_ape:.1%}")
        if metrics.coverage is not None:
            table.add_row("coverage", _with_interval(metrics.coverage))
        yield table
    unused = Table("feedback that was not used", "n")
    unused.add_row("of no prediction in the log", str(joined.pairs.unmatched))
    unused.add_row("of an id under which a model answered twice", str(joined.pairs.ambiguous))
    unused.add_row("a number for a class, or a word for a price", str(joined.pairs.wrong_kind))
    unused.add_row("replaced by later feedback", str(joined.pairs.repeated))
    unused.add_row("broken lines, of either kind", str(log.broken))
    yield unused


def _with_interval(values: tuple[float, float, float]) -> str:
    """A fraction and the ends of its interval."""
    return "{:.1%} (95 % interval: {:.1%} to {:.1%})".format(*values)
