"""Lab "filters": from edge detectors by hand to learned filters, and what a shift does to their answers."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.image.views import DigitView, Pixels
from models.model import SUFFIX, ZOO, open_model
from training.course.page import Block, Page, Table
from training.course.vision import edges, units
from training.course.vision.served import Layer, Served
from training.course.workbench import Workbench
from training.data import sources
from training.data.splits import Examples

SHIFTS = (1, 2, 3)
"""Pixels to the right: MNIST's digits have a margin of four."""

WINDOWS = (1, 2, 4, 7, 14, 28)
"""Sides of max pooling over maps of 28 x 28; 1 is the convolution itself."""

NETWORK = "digits-cnn"


def moved(x: Tensor, columns: int) -> Tensor:
    """The picture or map (..., H, W) moved to the right, zeros coming in."""
    return F.pad(x, (columns, 0))[..., : x.shape[-1]]


def _moved_pixels(pixels: Pixels, columns: int) -> Pixels:
    return np.pad(pixels, ((0, 0), (0, 0), (columns, 0), (0, 0)))[:, :, : pixels.shape[2]]


def answers(layer: Layer, x: Tensor) -> Tensor:
    """The maps of a served convolution and its ReLU: (N, C, H, W) -> (N, units, H', W')."""
    weight, bias = (torch.tensor(part, dtype=torch.float64) for part in (layer.weight, layer.bias))
    return F.conv2d(x, weight, bias, stride=layer.stride, padding=weight.shape[-1] // 2).relu()


def change(before: Tensor, after: Tensor) -> float:
    """How far answers moved, relative to their size: 0 is invariance."""
    return float((after - before).norm() / before.norm())


def equivariance_error(layer: Layer, x: Tensor, columns: int) -> float:
    """`change` between "move, then filter" and "filter, then move", away from the maps' edges.

    A map with a stride moves by columns / stride; where that is no whole number, the nearest one.
    """
    after = answers(layer, moved(x, columns))
    before = moved(answers(layer, x), round(columns / layer.stride))
    margin = 4
    return change(before[..., margin:-margin, margin:-margin], after[..., margin:-margin, margin:-margin])


def pooled_changes(
    layer: Layer, x: Tensor, columns: int, windows: Sequence[int] = WINDOWS
) -> dict[int, float]:
    """`change` of max-pooled answers when the picture moves, by the window's side.

    What a unit answers to black is taken off first: else its constant would pass for invariance.
    """
    black = answers(layer, torch.zeros_like(x[:1]))
    before, after = (answers(layer, part) - black for part in (x, moved(x, columns)))
    return {window: change(F.max_pool2d(before, window), F.max_pool2d(after, window)) for window in windows}


def network_changes(served: Served, pixels: Pixels, columns: int) -> dict[str, float]:
    """`change` of each layer of a served network when the picture moves."""
    names = [layer.output for layer in served.convolutions]
    names += [*served.outputs("MaxPool"), served.features, "probabilities"]
    before, after = (served.run(part, names) for part in (pixels, _moved_pixels(pixels, columns)))
    said = [f"convolution {n}" for n in range(1, len(served.convolutions) + 1)]
    said += ["max pooling", "features", "probabilities"]
    return {
        name: change(torch.from_numpy(b), torch.from_numpy(a))
        for name, b, a in zip(said, before, after, strict=True)
    }


def accuracy_when_moved(name: str, part: Examples, columns: int) -> float:
    """Of a served model on pixels that its view has not centred again."""
    answer = open_model(ZOO / (name + SUFFIX))(_moved_pixels(part.pixels, columns))["probabilities"]
    return float((answer.argmax(axis=1) == part.targets).mean())


def run(workbench: Workbench) -> Page:
    """Edges by hand, filters learned, and both under a shift."""
    count = workbench.size(3000, 500)
    test = sources.load("mnist", DigitView(), workbench.data, 10 * count).test
    served = Served(NETWORK)
    layers = served.convolutions
    x = torch.from_numpy(test.pixels[:200, :, :, 0]).double()[:, None]

    lights = [edges.scenes(seed) for seed in range(workbench.size(24, 4))]
    found = {
        name: [
            float(np.mean([edges.f1(edges.canny(each[name].picture, *thresholds(each[name])), each[name])
                           for each in lights]))
            for thresholds in (lambda scene: edges.THRESHOLDS, edges.best_thresholds)
        ]
        for name in workbench.track(lights[0], "Canny")
    }  # fmt: skip
    excited = {
        number: units.excitement(served.run(test.pixels, [layer.output])[0], test.targets)
        for number, layer in workbench.track(list(enumerate(layers)), "exciting pictures", len(layers))
    }
    last = units.excitement(served.run(test.pixels, [served.features])[0], test.targets)
    purity = {str(number + 1): each.purity for number, each in excited.items()}
    rng = np.random.default_rng(0)
    chance = np.mean(
        [np.bincount(rng.choice(test.targets, units.STRONGEST)).max() / units.STRONGEST for _ in range(200)]
    )
    pooled = {columns: pooled_changes(layers[0], x, columns) for columns in SHIFTS}
    through = {columns: network_changes(served, test.pixels[:300], columns) for columns in SHIFTS}
    accuracies = {
        columns: [accuracy_when_moved(name, test, columns) for name in ("digits-linear", NETWORK)]
        for columns in (0, *SHIFTS)
    }
    shares = units.edge_shares(layers[0].weight)
    first_maps = answers(layers[0], x)
    values = {
        **{f"f1_{name}": pair[0] for name, pair in found.items()},
        **{f"tuned_{name}": pair[1] for name, pair in found.items()},
        "equivariance": equivariance_error(layers[0], x, 1),
        "stride_even": equivariance_error(layers[1], first_maps, 2),
        "stride_odd": equivariance_error(layers[1], first_maps, 1),
        **{f"pooled_{w}_by_{c}": value for c, each in pooled.items() for w, value in each.items()},
        "edge_share": float(shares.mean()),
        "purity_first": float(np.nanmean(purity["1"])),
        "purity_last": float(np.nanmean(purity[str(len(layers))])),
        "linear_moved": accuracies[3][0],
        "cnn_moved": accuracies[3][1],
    }
    hidden = max(pair[0] for name, pair in found.items() if name != "plain light")
    plain = lights[0]["plain light"].picture
    holds = (
        found["plain light"][0] > hidden + 0.2
        and values["equivariance"] < 1e-9
        and all(each[2] < each[1] for each in pooled.values())
    )
    return Page(
        title="Filters: from edges by hand to filters that are learned",
        claim="Edge detectors written by hand fail where contrast and things part; a network learns its"
        " filters, its convolutions move with the picture, and pooling makes it forget small moves.",
        holds=holds,
        verdict=f"Canny's edges draw a car in plain light with an F1 of {found['plain light'][0]:.2f}, and"
        f" with {hidden:.2f} at most in four harder lights. The first convolution of digits-cnn"
        f" commutes with a shift (error {values['equivariance']:.1g}). After a shift of one pixel"
        f" its answers change by {pooled[1][1]:.2f} of their size, after 2 x 2 max pooling by"
        f" {pooled[1][2]:.2f}, after 7 x 7 by {pooled[1][7]:.2f}. Moved by three pixels,"
        f" digits-linear falls to {accuracies[3][0]:.0%} and digits-cnn stays at"
        f" {accuracies[3][1]:.1%}.",
        blocks=[
            *edges.section(workbench, plain, lights[0], found, len(lights)),
            "## Filters that are learned",
            f"These are the {len(shares)} filters of the first convolution of digits-cnn, as served, the"
            " clearest edge detectors first. A 3 x 3 filter is nine numbers; two directions among these"
            f" nine are pure edge detectors. They hold {shares.mean():.0%} of the energy of the learned"
            f" filters and {units.CHANCE:.0%} of random ones; {int((shares > 0.5).sum())} of {len(shares)}"
            " filters are mostly edge. Nobody asked for edges: they came out of the labels. The others are"
            " spots, corners, lines.",
            workbench.save(units.draw_filters(layers[0].weight, 8), "filters", "Sixteen small filters"),
            "## What the layers answer",
            "One digit, and in each row the eight maps of a layer that answer most. Early maps are the"
            " digit with some of its edges; later ones are coarse and mark where a part is. Strides halve"
            " the maps twice.",
            workbench.save(
                units.draw_maps(test.pixels[1], {
                    f"convolution {n + 1}, {len(layer.weight)} maps": maps[0] for n, layer, maps in zip(
                        range(len(layers)), layers,
                        served.run(test.pixels[1:2], [each.output for each in layers]), strict=True)
                }),
                "maps", "A digit and the maps of seven convolutions",
            ),
            *units.section_on_photos(workbench),
            "## What excites a unit most",
            f"Of {len(test):,} test digits, the nine patches with a unit's largest values, for four of the"
            " more choosy units of four layers. A patch is as large as what the value depends on: 5, 13, 17"
            " and 33 pixels. In layer 2 they are corners and ends of strokes, in layer 4 arcs and loops, in"
            " layer 7 whole digits.",
            workbench.save(
                units.draw_patches(served, {n: excited[n] for n in (1, 3, 4, 6)}, test), "patches",
                "Patches of digits that excite single units, in four layers",
            ),
            f"Take the {units.STRONGEST} pictures that excite a unit most and count the commonest class: from"
            f" {values['purity_first']:.0%} in the first layer to {values['purity_last']:.0%} in the last"
            " convolution. The network was never told what a unit shall stand for.",
            workbench.save(units.draw_purity(purity, float(chance)), "purity", "Bars, rising by layer"),
            f"The 128 features before the head are at {float(np.nanmean(last.purity)):.0%}: most of them"
            " serve several classes, and the head adds them up. Some of them with the pictures they like"
            " most:",
            workbench.save(units.draw_pictures(last, test), "pictures", "Nine digits for each unit"),
            *_shifted(workbench, values, pooled, through, accuracies),
        ],
        code=[
            f"training/course/vision/{name}.py" for name in ("edges", "units", "served", "filters")
        ],
        try_this="Average instead of taking the maximum: put F.avg_pool2d into pooled_changes"
        " (training/course/vision/filters.py), run `python -m training lab filters`, and compare"
        " the two curves.",
        values=values,
    )  # fmt: skip


def _shifted(
    workbench: Workbench,
    values: dict[str, float],
    pooled: dict[int, dict[int, float]],
    through: dict[int, dict[str, float]],
    accuracies: dict[int, list[float]],
) -> list[Block]:
    return [
        "## What a shift does",
        "A convolution is equivariant: move the picture, and its maps move along. Moving first or filtering"
        f" first differs by {values['equivariance']:.1g} for the first convolution. The second has a stride"
        f" of two: a shift by two pixels moves its maps by one, exactly ({values['stride_even']:.1g}); a"
        f" shift by one has no counterpart in them, and they differ by {values['stride_odd']:.2f} of their"
        " size (Zhang, ICML 2019).",
        "To classify one wants the opposite, invariance: the same answer wherever the digit is. Max pooling"
        " keeps the strongest answer of a window and forgets where in it that was. The larger the window,"
        " the less a shift changes; one window over the whole map is all but invariant.",
        workbench.save(units.draw_changes(pooled), "pooling", "Curves that fall as the pooling window grows"),
        "The whole network, layer by layer: change of the answers relative to their size when 300 digits"
        " move.",
        Table(
            ("layer", *(f"moved by {columns}" for columns in through)),
            [(name, *(f"{each[name]:.2f}" for each in through.values())) for name in through[SHIFTS[0]]],
        ),
        "And what it is worth: accuracy on moved digits. The service would centre them again; here its view"
        " is left out. The linear layer's templates stand still, and so it fails.",
        Table(
            ("moved by", "digits-linear", NETWORK),
            [(columns, f"{linear:.1%}", f"{cnn:.1%}") for columns, (linear, cnn) in accuracies.items()],
        ),
    ]  # fmt: skip
