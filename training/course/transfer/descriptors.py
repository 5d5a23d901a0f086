"""A pretrained network without its last layer as a descriptor of pictures it was never trained on.

EfficientNet-Lite2 (Tan and Le, ICML 2019) learned ImageNet's photos; what its last but one layer says of a
picture is compared, and learned from, without another step of its training (Donahue et al., ICML 2014).
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from models.image.views import GreyView
from training.course.page import Block, Page, Picture, Table
from training.course.transfer.car_descriptors import describe_cars
from training.course.transfer.features import (
    Described,
    Descriptor,
    accuracy,
    describe,
    linear_head,
    nearest,
)
from training.course.workbench import BLUE, GREEN, GREY, ORANGE, RED, Workbench
from training.data.mnist import FASHION_LABELS
from training.data.sources import load
from training.networks.architectures import digits_small_cnn

BATCH_SIZE = 32
STEPS = {10: 60, 100: 200, 1000: 500}
"""Steps of training from scratch by number of pictures; STEPS_ALL with all of them."""
STEPS_ALL = 800
DRAWS = {10: 3, 100: 2}
"""Choices of few pictures that are averaged; with more pictures one is enough."""


def from_scratch(train: Described, test: Described, steps: int) -> float:
    """The test accuracy of the network of digits-cnn, trained on the pictures alone."""
    torch.manual_seed(0)
    network = digits_small_cnn()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(steps):
        index = torch.randint(len(train.classes), (min(len(train.classes), BATCH_SIZE),))
        loss = F.cross_entropy(network(train.pixels[index]), train.classes[index])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return accuracy(network.eval()(test.pixels).argmax(1), test)


def balanced(classes: Tensor, count: int, draw: int) -> Tensor:
    """Indices of `count` pictures, as many of each class, from another place in each draw."""
    per_class = count // len(FASHION_LABELS)
    places = [torch.nonzero(classes == number)[:, 0] for number in range(len(FASHION_LABELS))]
    return torch.cat([place[draw * per_class : (draw + 1) * per_class] for place in places])


def run(workbench: Workbench) -> Page:
    """Describe clothing; look at neighbours; learn from ever more pictures; the same with cars."""
    everything, tested = workbench.size(4000, 200), workbench.size(600, 200)
    splits = load("fashion-mnist", GreyView(), workbench.data, 10 * tested)
    descriptor = Descriptor(workbench)
    known = describe(descriptor, splits.train[:everything])
    test = describe(descriptor, splits.test[:tested])
    sizes = [size for size in (10, 100, 1000) if size < everything] + [everything]
    draws = {} if workbench.small else DRAWS
    rows = {size: _learn(known, test, size, draws.get(size, 1)) for size in sizes}

    few = test.pixels[: workbench.size(200, 100)]
    head = linear_head(known.features[:1000], known.classes[:1000])
    normalised = accuracy(head(test.features[: len(few)]).argmax(1), test)
    forgotten = accuracy(head(descriptor(few, normalise=False)).argmax(1), test)
    at = 100
    best = max(size for size in sizes if rows[size]["head"] > rows[size]["scratch"])
    last = rows[everything]
    cars: list[Block] = describe_cars(workbench, descriptor)
    return Page(
        title="Neural networks as descriptors",
        claim="A pretrained network without its last layer describes pictures of any kind, and few labels"
        " are then enough.",
        holds=rows[at]["head"] > rows[at]["scratch"] and rows[at]["neighbour"] > rows[at]["pixels"],
        verdict=f"Of {len(test.classes)} pieces of clothing a linear layer on frozen features of a network"
        f" that learned ImageNet's photos names {rows[at]['head']:.1%} after {at} pictures, a network"
        f" trained from scratch on the same {rows[at]['scratch']:.1%}. With {everything:,} pictures it is"
        f" {last['head']:.1%} against {last['scratch']:.1%}.",
        blocks=[
            "## Nearest neighbours",
            _neighbours(workbench, known, test),
            f"Left, six test pictures; then their nearest among {everything:,} by the cosine of their"
            " descriptors, 2,560 numbers each, and by that of their pixels. Names of another class are red."
            " Nobody told the network about this clothing, and grey pictures of 28 pixels are no photos.",
            "## Few labels or many",
            workbench.save(
                _growth(rows), "growth",
                "Accuracy by number of training pictures: the head on features leads while they are few",
            ),
            Table(
                ("pictures", "head on features", "from scratch", "nearest by features", "nearest by pixels"),
                [(f"{size:,}", *(f"{value:.1%}" for value in row.values())) for size, row in rows.items()],
            ),
            f"All means the first {everything:,} of 54,000: describing them is most of this run. The head is"
            " one matrix fitted on cached descriptors, within a second or two. From scratch learns the"
            f" served network of digits-cnn, whose filters begin as noise. The head is ahead up to {best:,}"
            " pictures"
            + (", the most tried." if best == everything else "; with more, own filters catch up.")
            + " Ten or a hundred pictures are means over some choices of them.",
            "## Why normalise as the pretraining did",
            "The head expects features of normalised pictures. Where somebody forgets to normalise, it"
            f" names {forgotten:.1%} of {len(few)} test pictures instead of {normalised:.1%}: no error is"
            " raised, the numbers are in another range than every filter learned. This is why the served"
            " graph normalises itself.",
            "## Cars",
            *cars,
        ],
        code=[
            "training/course/transfer/descriptors.py", "training/course/transfer/features.py",
            "training/course/transfer/car_descriptors.py", "training/networks/efficientnet.py",
        ],
        try_this="Set SIDE in training/course/transfer/features.py to 48 and run `python -m training lab"
        " descriptors`: a quarter of the work. How much of the accuracy is left?",
        values={f"{name}_{size}": value for size, row in rows.items() for name, value in row.items()}
        | {"normalised": normalised, "forgotten": forgotten, "most_pictures": float(everything)},
    )  # fmt: skip


def _learn(known: Described, test: Described, size: int, draws: int) -> dict[str, float]:
    """Test accuracies by way of learning, means over the draws."""
    everything = len(known.classes)
    results = []
    for draw in range(draws):
        chosen = torch.arange(size) if size == everything else balanced(known.classes, size, draw)
        part = known.chosen(chosen)
        head = linear_head(part.features, part.classes)
        results.append({
            "head": accuracy(head(test.features).argmax(1), test),
            "scratch": from_scratch(part, test, STEPS.get(size, STEPS_ALL if size > 1000 else STEPS[100])),
            "neighbour": accuracy(part.classes[nearest(test.features, part.features)[:, 0]], test),
            "pixels": accuracy(part.classes[nearest(test.pixels, part.pixels)[:, 0]], test),
        })  # fmt: skip
    return {name: float(np.mean([result[name] for result in results])) for name in results[0]}


def _neighbours(workbench: Workbench, known: Described, test: Described) -> Picture:
    """Six test pictures with their five nearest by descriptor and by pixels."""
    queries = torch.stack([torch.nonzero(test.classes == number)[0, 0] for number in (0, 3, 5, 6, 8, 9)])
    found = [
        nearest(of_queries[queries], of_known, 5)
        for of_queries, of_known in ((test.features, known.features), (test.pixels, known.pixels))
    ]
    # Narrow empty columns part the query from the two groups.
    ratios = (1, 0.3, *[1] * 5, 0.3, *[1] * 5)
    figure, axes = plt.subplots(6, 13, figsize=(12, 6.9), layout="constrained", width_ratios=ratios)
    for row, query in enumerate(queries):
        by_features, by_pixels = ([(known, int(index)) for index in part[row]] for part in found)
        shown = [(test, int(query)), None, *by_features, None, *by_pixels]
        for axis, item in zip(axes[row], shown, strict=True):
            axis.axis("off")
            if item is None:
                continue
            source, index = item
            number = int(source.classes[index])
            axis.imshow(source.pixels[index, 0].numpy(), cmap="gray")
            colour = "black" if number == test.classes[query] else RED
            axis.set_title(FASHION_LABELS[number], fontsize=9, color=colour)
    for column, text in ((0, "asked"), (4, "nearest by descriptor"), (10, "nearest by pixels")):
        place = axes[0, column]
        # Out of the layout, or a long text would widen its column.
        place.text(0.5, 1.35, text, ha="center", transform=place.transAxes, fontsize=11).set_in_layout(False)
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.96))
    shows = "Test pictures of clothing with their nearest neighbours by descriptor and by pixels"
    return workbench.save(figure, "neighbours", shows)


def _growth(rows: dict[int, dict[str, float]]) -> Figure:
    figure, axis = plt.subplots(figsize=(9, 4.6), layout="constrained")
    labels = {
        "head": "linear head on features", "scratch": "from scratch",
        "neighbour": "nearest by features", "pixels": "nearest by pixels",
    }  # fmt: skip
    for (name, label), colour in zip(labels.items(), (BLUE, ORANGE, GREEN, GREY), strict=True):
        axis.plot(list(rows), [row[name] for row in rows.values()], "o-", color=colour, label=label)
    axis.set(xscale="log", xlabel="training pictures", ylabel="test accuracy")
    axis.set_xticks(list(rows), [f"{size:,}" for size in rows])
    axis.minorticks_off()
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    return figure
