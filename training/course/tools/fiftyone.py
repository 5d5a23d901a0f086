"""The workshop's homework: predictions in the data set, so that one can sort, filter and look at them."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.card import Card, Outputs
from models.model import ZOO, open_model
from training.course.page import Block, Listing, Page, Table
from training.course.tools.mosaic import mosaic
from training.course.workbench import Workbench
from training.data.sources import load
from training.data.splits import Examples
from training.evaluation.evaluate import predict
from training.evaluation.fiftyone.dataset import read_samples, write_dataset
from training.evaluation.fiftyone.document import Document
from training.evaluation.gallery import answers_with_gallery
from training.fitting.tracking.answers import Exhibit

SHARE = 0.1
"""Of the pictures: what somebody has the patience to look at."""

FACTOR = 3
"""So many times as many mistakes as in pictures picked blindly, or sorting was not worth it."""

OPEN = """\
python3 -m venv .venv-fiftyone
.venv-fiftyone/bin/pip install fiftyone
.venv-fiftyone/bin/fiftyone datasets create --name clothes \\
    --dataset-dir runs/fashion-cnn/fiftyone --type fiftyone.types.FiftyOneDataset
.venv-fiftyone/bin/fiftyone app launch clothes
"""

LOOK = """\
import fiftyone as fo
from fiftyone import ViewField as F

clothes = fo.load_dataset("clothes")
clothes.sort_by("prediction.confidence")                  # the least sure answers first
clothes.match(~F("correct")).sort_by("error", reverse=True)   # mistakes, the surest first
clothes.match(~F("familiar"))                             # what the model was not made for
clothes.evaluate_classifications("prediction", gt_field="ground_truth").print_report()
"""


def first_look(samples: Sequence[Document]) -> tuple[float, float]:
    """What sorting by confidence finds.

    Returns:
        The share of all mistakes that is among the least sure SHARE of the answers, and the error rate there.
    """
    by_confidence = sorted(samples, key=lambda sample: sample["prediction"]["confidence"])
    wrong = np.array([not sample["correct"] for sample in by_confidence])
    first = wrong[: round(SHARE * len(wrong))]
    return float(first.sum() / max(wrong.sum(), 1)), float(first.mean())


def run(workbench: Workbench) -> Page:
    """Write a classifier's and a price network's answers as data sets, read them back, and look."""
    classifier = "digits-linear" if workbench.small else "fashion-cnn"
    pricer = "cars-mlp" if workbench.small else "cars-cnn"
    steps = workbench.track([(classifier, 2000, 500), (pricer, 200, 40)], "answering")
    (clothes, worst, card), (cars, dearest, price_card) = (
        _written(workbench, name, workbench.size(full, small)) for name, full, small in steps
    )
    wrong = sum(not sample["correct"] for sample in clothes)
    found, rate = first_look(clothes)
    unfamiliar = sum(not sample["familiar"] for sample in cars) / len(cars)
    known = sum(sample["familiar"] for sample in clothes) / len(clothes)
    certain = sum(not sample["correct"] and sample["prediction"]["confidence"] > 0.9 for sample in clothes)
    holds = found > FACTOR * SHARE
    return Page(
        title="Predictions belong into the data set",
        claim="Add a network's predictions to the data set it is tested on, and the pictures worth looking at "
        "come to the front by themselves.",
        holds=holds,
        verdict=f"Of {len(clothes):,} pictures {card.name} gets {wrong} wrong. Sorted by confidence, the first "
        f"tenth holds {found:.0%} of these mistakes, where a tenth picked blindly holds 10 %.",
        blocks=[
            *_what_is_written(card, clothes),
            *_mistakes(workbench, worst, wrong, rate, certain),
            *_prices(workbench, price_card, cars, dearest, unfamiliar, known),
            "## How to open it",
            "FiftyOne is an application of its own with a database, and has its own environment. The data set "
            "is a folder; one command reads it in, another opens the browser.",
            Listing(OPEN),
            "Or in Python, where the views that this page draws are one line each:",
            Listing(LOOK),
        ],
        code=[
            "training/evaluation/fiftyone/dataset.py",
            "training/evaluation/fiftyone/columns.py",
            "training/evaluation/fiftyone/document.py",
            "training/cli/commands/fiftyone.py",
            "training/course/tools/fiftyone.py",
        ],
        try_this="Write down digits of your own: photograph some, name each in a table `labels.csv` with the "
        "columns `file` and `label`, run `python -m training fiftyone digits-cnn --pictures mine/labels.csv`, "
        "and sort by `familiarity`. Which of yours does the network not know?",
        values={
            "mistakes": wrong,
            "found": found,
            "rate_first_tenth": rate,
            "rate": wrong / len(clothes),
            "certain_and_wrong": certain,
            "familiar": known,
            "drawings_unfamiliar": unfamiliar,
        },
    )


def _written(workbench: Workbench, name: str, count: int) -> tuple[list[Document], Sequence[Exhibit], Card]:
    """The samples of a data set as they are on disk, its gallery, and the model's card."""
    model = open_model(ZOO / f"{name}.onnx")
    card = model.card
    # Photos of cars may not be shown; drawings may.
    data = "drawn-cars" if card.task == "regression" else card.training.name
    test = load(data, card.view, workbench.data).test
    examples: Examples = test[np.linspace(0, len(test) - 1, min(count, len(test))).astype(int)]
    outputs: Outputs = predict(model, examples.pixels)
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(Path(folder), name, card, data, "test", examples, outputs)
        samples = read_samples(Path(folder))
    return samples, answers_with_gallery(card, examples, outputs, data=data).gallery, card


def _what_is_written(card: Card, samples: Sequence[Document]) -> list[Block]:
    return [
        "## What is written",
        f"`python -m training fiftyone {card.name}` writes a folder: `data/` with a PNG of each picture as the "
        "network sees it, `samples.json` with a line of fields per picture, `metadata.json` with the type of "
        "each field. This is FiftyOne's own form on disk. Here is what stands in it for one picture:",
        Table(("field", "for one picture"), _fields(samples[0])),
        "Truth and prediction are separate fields of one sample. That is all the homework asks for, and it is "
        "enough to count, to filter and to sort by either, or by how far apart they are.",
    ]


def _mistakes(
    workbench: Workbench, worst: Sequence[Exhibit], wrong: int, rate: float, certain: int
) -> list[Block]:
    return [
        "## The twenty worst",
        f"An accuracy says how many are wrong, not which. Among the least sure tenth {rate:.0%} are wrong. The "
        f"pictures below are sorted by the error instead: one minus the probability of the true class. These "
        f"are mistakes of which the network is sure ({certain} of the {wrong} have a confidence above 0.9), "
        "and no threshold on the confidence catches them.",
        workbench.save(
            mosaic(worst), "worst", "The twenty pictures whose true class got the least probability."
        ),
        "Looking is the point. Some of these are labelled wrongly, some show two things at once, some a person "
        "could not tell either; each kind is mended in another way, and only the first kind in the data.",
    ]


def _prices(
    workbench: Workbench,
    card: Card,
    samples: Sequence[Document],
    worst: Sequence[Exhibit],
    unfamiliar: float,
    known: float,
) -> list[Block]:
    return [
        "## Prices, and pictures of another kind",
        f"The same command does prices. {card.name} has learned from photos; photos of cars may not be shown "
        f"here, so it is asked about {len(samples)} drawings, whose price is known because they are drawn by it. "
        "A sample has the interval and both errors beside truth and prediction:",
        Table(("field", "for one drawing"), _fields(samples[0])),
        f"The prices are far off, and the data set says why before anybody looks: {unfamiliar:.0%} of the "
        f"drawings are not `familiar`, while {known:.0%} of the first model's test pictures are. A filter on "
        "this one field separates pictures the network is bad at from pictures it was never made for.",
        workbench.save(
            mosaic(worst[:10], "USD"), "prices", "The ten drawings whose price is off by the largest factor."
        ),
    ]


def _fields(sample: Document) -> list[tuple[str, str]]:
    """The fields of a sample, those of labels with theirs in brackets."""
    return [(f"`{name}`", _shown(value)) for name, value in sample.items() if not name.startswith("_")]


def _shown(value: object) -> str:
    match value:
        case {"_cls": str(kind), **parts}:
            inner = {name: part for name, part in parts.items() if name not in ("_id", "tags")}
            return f"{kind}: " + ", ".join(f"{name} {_shown(part)}" for name, part in inner.items())
        case {"$binary": _}:
            return "a vector"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:,.2f}" if abs(value) >= 100 else f"{value:.4g}"
        case None:
            return "unknown"
        case list():
            return ", ".join(map(str, value))
        case _:
            return str(value)
