"""The report of a new model: a table, the confusion matrix, the worst ten, its model card; old beside new."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.table import Table

from models.model import Model
from training.cli.console import console
from training.custom.growing.comparison import Comparison
from training.custom.learn import Learned
from training.evaluation.evaluate import Evaluation, classification
from training.evaluation.plots import report
from training.export.model_card import meaning, write_model_card


def write_report(model: Model, learned: Learned, folder: Path) -> None:
    """Print the metrics of a new model with their intervals, and draw its errors into folder/report."""
    card = model.card
    console.print(metrics_table(model))
    test = replace(learned.examples[learned.held_out], pixels=learned.pixels[learned.held_out])
    outputs = {name: values[learned.held_out] for name, values in learned.outputs.items()}
    confusion = None
    if card.task == "classification":
        confusion, _ = classification(outputs, test)
    evaluation = Evaluation(card.measured, test, outputs, learned.refused, confusion)
    for path in report(card, evaluation, folder / "report", folder / "report"):
        console.print(f"wrote {path}", soft_wrap=True)
    page = write_model_card(model, folder / "report")
    size = f"{model.path.stat().st_size / 1e6:.1f} MB"
    console.print(f"wrote {model.path} ({size}) and {page.name}", soft_wrap=True)


def metrics_table(model: Model) -> Table:
    """Each metric with its 95 % interval and that of the constant."""
    measured = model.card.measured
    table = Table("metric", "model", "95 %", "constant", "", title=f"{measured.data}, n = {measured.n:,}")
    for name, value in measured.values.items():
        low, high = measured.intervals.get(name, (np.nan, np.nan))
        ends = "" if np.isnan(low) else f"{low:.3g} to {high:.3g}"
        constant = measured.baseline.get(name)
        table.add_row(
            name, f"{value:.4g}", ends, "" if constant is None else f"{constant:.4g}", meaning(name)
        )
    return table


def comparison_table(comparison: Comparison) -> Table:
    """The old file beside the new one, with the 95 % interval of the difference."""
    title = f"{comparison.metric} on pictures that neither had seen"
    table = Table("pictures", "n", "old", "new", "difference", "95 %", title=title)
    for row in comparison.rows:
        ends = f"{row.low:+.1%} to {row.high:+.1%}"
        values = (f"{row.old:.1%}", f"{row.new:.1%}", f"{row.difference:+.1%}", ends)
        table.add_row(row.pictures, f"{row.count:,}", *values)
    for why, count in comparison.left_out:
        table.add_row(f"left out: {why}", f"{count:,}")
    return table
