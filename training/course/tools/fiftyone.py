"""The workshop's homework: predictions in the data set, so that one can sort, filter and look at them."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
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

WORST_PRICES = 10

OPEN = """\
python -m training fiftyone fashion-cnn
python3 -m venv .venv-fiftyone
.venv-fiftyone/bin/pip install fiftyone
.venv-fiftyone/bin/fiftyone datasets create -n clothes \\
    -d runs/fashion-cnn/fiftyone -t fiftyone.types.FiftyOneDataset
.venv-fiftyone/bin/fiftyone app launch clothes
"""

LOOK = """\
import fiftyone
from fiftyone import ViewField as F

clothes = fiftyone.load_dataset("clothes")
clothes.sort_by("prediction.confidence")     # the least sure first
clothes.sort_by("error", reverse=True)       # the worst first
clothes.match(~F("familiar"))                # what the model was not made for
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


@dataclass(frozen=True)
class PriceFigures:
    """What a data set of prices says of its network.

    Attributes:
        familiar: The fraction of its pictures that are.
        inside: The fraction of prices within their interval.
        width: The median of an interval's upper end over its lower.
        lowest: A twentieth of the answers is below it, in the unit of the prices.
        highest: A twentieth is above it.
        body: The commonest body among the worst WORST_PRICES.
        commonest: How many of those are of it.
    """

    familiar: float
    inside: float
    width: float
    lowest: float
    highest: float
    body: str
    commonest: int

    @staticmethod
    def of(samples: Sequence[Document]) -> "PriceFigures":
        """Those of drawn cars, whose group begins with their body."""
        values = np.array([sample["prediction"]["value"] for sample in samples])
        truth = np.array([sample["ground_truth"]["value"] for sample in samples])
        worst = np.argsort(-np.abs(np.log(values / truth)), kind="stable")[:WORST_PRICES]
        bodies = Counter(samples[index]["group"].partition("-")[0] for index in worst)
        return PriceFigures(
            float(np.mean([sample["familiar"] for sample in samples])),
            float(np.mean([sample["inside"] for sample in samples])),
            float(np.median([sample["high"] / sample["low"] for sample in samples])),
            *(float(end) for end in np.percentile(values, (5, 95))),
            *bodies.most_common(1)[0],
        )


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
    certain = sum(not sample["correct"] and sample["prediction"]["confidence"] > 0.9 for sample in clothes)
    prices = PriceFigures.of(cars)
    return Page(
        title="Predictions belong into the data set",
        claim="""Add a network's predictions to the data set that it is tested on, and the pictures worth
            looking at come to the front by themselves.""",
        holds=found > FACTOR * SHARE,
        verdict=f"Of {len(clothes):,} pictures {card.name} gets {wrong} wrong. Sorted by confidence, the "
        f"first tenth holds {found:.0%} of these mistakes; a tenth picked blindly holds 10%.",
        blocks=[
            *_what_is_written(card, clothes),
            *_mistakes(workbench, worst, wrong, rate, certain),
            *_prices(workbench, price_card, cars, dearest, prices),
            "## How to open it",
            """FiftyOne is an application with a database, and has an environment of its own. The data set
            is a folder: one command reads it in, another opens the browser.""",
            Listing(OPEN),
            "In Python, each view that this page draws is a line:",
            Listing(LOOK),
        ],
        code=[
            "training/evaluation/fiftyone/dataset.py",
            "training/evaluation/fiftyone/columns.py",
            "training/evaluation/fiftyone/document.py",
            "training/cli/commands/fiftyone.py",
            "training/course/tools/fiftyone.py",
        ],
        try_this="""Photograph some digits of your own, name each in a table `mine/labels.csv` with the
        columns `file` and `label`, run `python -m training fiftyone digits-cnn --pictures mine/labels.csv`,
        and sort by `familiarity`. Which of yours does the network not know?""",
        values={
            "mistakes": wrong,
            "found": found,
            "rate_first_tenth": rate,
            "rate": wrong / len(clothes),
            "certain_and_wrong": certain,
            "drawings_familiar": prices.familiar,
            "drawings_inside": prices.inside,
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
        f"""`python -m training fiftyone {card.name}` writes a folder: `data/` with a PNG of each picture as
        the network sees it, `samples.json` with the fields of each picture, `metadata.json` with the type
        of each field. It is the form in which FiftyOne itself keeps data sets. This is the first picture:""",
        Table(("field", "of the first picture"), _fields(samples[0])),
        """Truth and prediction are two fields of one sample. That is all the homework asks for, and enough
        to count, to filter and to sort by either, or by how far apart they are.""",
    ]


def _mistakes(
    workbench: Workbench, worst: Sequence[Exhibit], wrong: int, rate: float, certain: int
) -> list[Block]:
    return [
        "## The twenty worst",
        f"""An accuracy says how many answers are wrong, not which. Of the least sure tenth, {rate:.0%} are.
        Below, the pictures are sorted by error instead: one minus the probability of the true class. First
        come the mistakes of which the network is sure; {certain} of the {wrong} have a confidence above
        0.9, and a threshold there lets them pass.""",
        workbench.save(
            mosaic(worst), "worst", "The twenty pictures whose true class got the least probability."
        ),
        """Now somebody has to look. Some labels seem wrong, some pictures fit two classes, some are cut off
        or turned. Only the first kind is mended in the labels.""",
    ]


def _prices(
    workbench: Workbench,
    card: Card,
    samples: Sequence[Document],
    worst: Sequence[Exhibit],
    prices: PriceFigures,
) -> list[Block]:
    return [
        "## Prices",
        f"""The same command does prices. {card.name} has learned from photos, which may not be shown here,
        so it is asked about {len(samples)} drawn cars, whose prices are known. Interval and errors are
        fields as well:""",
        Table(("field", "of the first drawing"), _fields(samples[0])),
        workbench.save(
            mosaic(worst[:WORST_PRICES], "USD"),
            "prices",
            "The ten drawings whose price is off by the largest factor.",
        ),
        f"""One glance says more than the mean error: of these ten, {prices.commonest} have the body
        {prices.body}, and all are answered alike. Nine tenths of all drawings get between
        {prices.lowest:,.0f} and {prices.highest:,.0f} USD: what tells a dear car from a cheap one in a
        photo is not in a drawing.""",
        f"""Which field warns of it? Not `familiar`: {prices.familiar:.0%} of the drawings are, since a
        drawn car looks like a car. The interval does: its upper end is {prices.width:.0f} times its lower,
        and {prices.inside:.0%} of the prices are inside. So wide an interval says that the network does not
        know.""",
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
