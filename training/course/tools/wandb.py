"""Three trainings recorded in Weights & Biases, offline, and compared by nothing but their records."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from models.card import ClassifierCard
from models.model import ZOO, open_model
from training.course.page import Listing, Page, Table
from training.course.tools.mosaic import mosaic
from training.course.tools.offline_run import OfflineRun, find_runs, read_run
from training.course.workbench import BLUE, GREY, RED, Workbench
from training.data.sources import load
from training.data.splits import Splits
from training.evaluation.gallery import answers_with_gallery
from training.fitting.fit import fit
from training.fitting.result import TrainingResult
from training.fitting.tracking import Tool, TrackingError, require, tracked
from training.fitting.tracking.answers import Exhibit
from training.recipe import Recipe
from training.recipes import RECIPES

RATES = {"too small": 1e-5, "right": 3e-3, "too large": 1.0}
"""Learning rates of digits-linear."""

COLOURS = dict(zip(RATES, (GREY, BLUE, RED), strict=True))

COMMANDS = """\
.venv-dev/bin/python -m pip install wandb
WANDB_MODE=offline .venv-dev/bin/python -m training train digits-linear --track wandb
.venv-dev/bin/wandb login
.venv-dev/bin/wandb sync runs/wandb/offline-run-*
"""

TITLE = "A training leaves a record"
CLAIM = """Record each training as it runs, and trainings can be compared long after they ended: by their
curves, their mistakes and the pictures behind these."""
CODE = (
    "training/fitting/tracking/__init__.py",
    "training/fitting/tracking/wandb.py",
    "training/fitting/tracking/answers.py",
    "training/evaluation/gallery.py",
    "training/course/tools/wandb.py",
    "training/course/tools/offline_run.py",
)
TRY = """Run `python -m training train digits-mlp --epochs 3 --track wandb` twice with different seeds, send
both with `wandb sync`, and let W&B draw their losses into one chart. By how much do seeds alone differ?"""


def run(workbench: Workbench) -> Page:
    """Train three times, record each, and judge them from what the records say."""
    try:
        require(Tool.WANDB)
    except TrackingError as error:
        return Page(TITLE, CLAIM, False, f"It was not tried: {error}", [Listing(COMMANDS)], CODE, TRY)
    recipe = replace(RECIPES["digits-linear"], epochs=workbench.size(10, 4))
    splits = load(recipe.data, recipe.view, workbench.data).limited(workbench.size(20_000, 2_000))
    with tempfile.TemporaryDirectory() as folder, offline():
        results = {}
        for name, rate in workbench.track(RATES.items(), "training"):
            results[name] = record(replace(recipe, learning_rate=rate), splits, Path(folder))
        folders = find_runs(Path(folder) / "wandb")
        files = _files(folders[1])
        runs = dict(zip(RATES, map(read_run, folders), strict=True))
        gallery = _gallery(runs["right"])
        return _page(workbench, splits, results, runs, gallery, files)


@contextmanager
def offline() -> Iterator[None]:
    """W&B without an account and a network."""
    before = os.environ.get("WANDB_MODE")
    os.environ["WANDB_MODE"] = "offline"
    try:
        yield
    finally:
        if before is None:
            del os.environ["WANDB_MODE"]
        else:
            os.environ["WANDB_MODE"] = before


def record(recipe: Recipe, splits: Splits, folder: Path) -> TrainingResult:
    """One training with its record, and its answers to the test split in it."""
    card = open_model(ZOO / f"{recipe.name}.onnx").card
    with tracked(Tool.WANDB, recipe, folder) as tracker:
        assert tracker is not None
        result = fit(recipe, splits, on_epoch=tracker.log_epoch)
        outputs = {"probabilities": probabilities(result, splits.test.pixels)}
        assert isinstance(card, ClassifierCard)
        tracker.log_answers(answers_with_gallery(card, splits.test, outputs))
    return result


@torch.no_grad()
def probabilities(result: TrainingResult, pixels: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Softmax of the network's scores, float32 (N, K), of pixels uint8 (N, H, W, C)."""
    pictures = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    answers: np.ndarray = result.network(pictures).softmax(dim=1).numpy()  # type: ignore[type-arg]
    return answers


def confusion(run: OfflineRun) -> np.ndarray:  # type: ignore[type-arg]
    """The confusion matrix of a record, int (K, K), true class by answered class."""
    rows = run.tables["confusion_table"]
    labels = sorted({row["Actual"] for row in rows})
    matrix = np.zeros((len(labels), len(labels)), int)
    for row in rows:
        matrix[labels.index(row["Actual"]), labels.index(row["Predicted"])] = row["nPredictions"]
    return matrix


def _page(
    workbench: Workbench,
    splits: Splits,
    results: dict[str, TrainingResult],
    runs: dict[str, OfflineRun],
    gallery: Sequence[Exhibit],
    files: str,
) -> Page:
    same = all(
        runs[name].curve("validation_loss") == [epoch.validation_loss for epoch in result.history]
        for name, result in results.items()
    )
    matrices = {name: confusion(run) for name, run in runs.items()}
    accuracy = {name: float(matrix.trace() / matrix.sum()) for name, matrix in matrices.items()}
    chosen = min(runs, key=lambda name: min(runs[name].curve("validation_loss")))
    best = max(accuracy, key=lambda name: accuracy[name])
    pairs = matrices["right"] - np.diag(np.diag(matrices["right"]))
    true, told = np.unravel_index(pairs.argmax(), pairs.shape)
    return Page(
        title=TITLE,
        claim=CLAIM,
        holds=same and chosen == best,
        verdict=f"Three trainings of digits-linear were recorded offline. Read back, the curves are "
        f"{'the same to the last digit' if same else 'NOT those of the training'}; the loss in the records "
        f"chooses the rate that is {chosen}, and its {accuracy[chosen]:.1%} on the test split are "
        f"{'the best' if chosen == best else 'not the best'} of the three.",
        blocks=[
            "## What is recorded",
            """`train --track wandb` opens a run before the first epoch: the recipe's numbers as its
            configuration, a point of each curve per epoch, the metrics of the exported file as its summary,
            the confusion matrix, and a table of the worst answers with their pictures. Without `--track` the
            same goes to MLflow. The folder of one of the three runs:""",
            Listing(files),
            "## Curves",
            """Three learning rates, everything else the same. Nobody has to remember which was which: the
            rate is in the record of each curve.""",
            workbench.save(_curves(runs), "curves", "Training and validation loss of three learning rates."),
            Table(
                ("run", "learning rate", "lowest validation loss", "accuracy, test split"),
                [
                    (
                        name,
                        f"{run.config['learning_rate']:g}",
                        f"{min(run.curve('validation_loss')):.4g}",
                        f"{accuracy[name]:.1%}",
                    )
                    for name, run in runs.items()
                ],
            ),
            "## Confusion matrix",
            f"""Of the best run. Off the diagonal, the most common mistake is a {true} told {told},
            {pairs.max()} times in {len(splits.test):,} pictures.""",
            workbench.save(
                _confusion(matrices["right"]), "confusion", "True class by answered class, as counts."
            ),
            "## Gallery",
            """The worst twenty, drawn from the record alone: actual, predicted, and one minus the probability
            of the actual class. For prices the error is in dollars. Pictures go into a record only where
            their licence allows it; of photos of cars only the figures do.""",
            workbench.save(mosaic(gallery), "gallery", "The twenty worst answers of the best run."),
            "## How to open it",
            """The charts of W&B are drawn by its server. Nothing leaves this machine until one logs in and
            sends it:""",
            Listing(COMMANDS),
        ],
        code=CODE,
        try_this=TRY,
        values={
            "same": same,
            **{f"accuracy_{name.replace(' ', '_')}": value for name, value in accuracy.items()},
            "pictures": len(gallery),
        },
    )


def _gallery(run: OfflineRun) -> list[Exhibit]:
    """The exhibits of a record."""
    return [
        Exhibit(
            np.asarray(Image.open(row["picture"])), row["actual"], row["predicted"], row["absolute error"]
        )
        for row in run.tables["gallery"]
    ]


def _files(folder: Path) -> str:
    """The files of a run with their sizes in kB, without logs; ID stands for the run's own."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".log"]
    sizes = [f"{path.stat().st_size / 1000:8.1f} kB  {path.relative_to(folder)}" for path in files]
    return "\n".join(sizes).replace(folder.name.rpartition("-")[2], "ID")


def _curves(runs: dict[str, OfflineRun]) -> Figure:
    figure, axes = plt.subplots(1, 2, figsize=(12, 4.2), layout="constrained", sharey=True)
    for axis, split in zip(axes, ("train", "validation"), strict=True):
        for name, run in runs.items():
            losses = run.curve(f"{split}_loss")
            label = f"{name}: {run.config['learning_rate']:g}"
            axis.plot(range(1, len(losses) + 1), losses, "o-", color=COLOURS[name], label=label)
        axis.set(xlabel="epoch", title=split, yscale="log")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("cross entropy")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", title="learning rate")
    return figure


def _confusion(matrix: np.ndarray) -> Figure:  # type: ignore[type-arg]
    figure, axis = plt.subplots(figsize=(7, 6), layout="constrained")
    fraction = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axis.imshow(np.sqrt(fraction), cmap="Blues", vmin=0, vmax=1.2)
    for row, column in np.argwhere(matrix):
        colour = "white" if fraction[row, column] > 0.5 else "black"
        axis.text(column, row, matrix[row, column], ha="center", va="center", fontsize=10, color=colour)
    axis.set(xlabel="answer", ylabel="true class", xticks=range(len(matrix)), yticks=range(len(matrix)))
    return figure
