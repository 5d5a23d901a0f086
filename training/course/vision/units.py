"""What the units of networks answer to: their filters, maps, and the pictures that excite them most."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure

from models.image.views import Pixels
from training.course.page import Block
from training.course.vision.served import Array, Layer, Served
from training.course.workbench import BLUE, GREEN, ORANGE, RED, Workbench
from training.data.splits import DataError, Examples
from training.data.synthetic.cars import DrawnCar, draw
from training.networks import efficientnet
from training.networks.architectures import to_float

RAMPS = (
    np.stack([np.tile([-1.0, 0.0, 1.0], (3, 1)), np.tile([-1.0, 0.0, 1.0], (3, 1)).T]).reshape(2, 9) / 6**0.5
)
"""The two 3x3 edge detectors, orthonormal: brightness that rises to the right, and downwards."""

CHANCE = 2 / 9
"""The share of a random 3x3 filter that lies in the plane of RAMPS."""

STRONGEST = 50
"""Pictures by which a unit's taste is judged."""


def edge_shares(weight: Array) -> npt.NDArray[np.float64]:
    """How much of each 3x3 filter detects an edge in some direction, 0 to 1.

    Args:
        weight: float32 (filters, channels, 3, 3).

    Returns:
        The energy of its projection on RAMPS over its whole energy, summed over the channels: (filters,).
    """
    flat = weight.reshape(*weight.shape[:2], 9).astype(np.float64)
    return ((flat @ RAMPS.T) ** 2).sum(axis=(1, 2)) / (flat**2).sum(axis=(1, 2))


@dataclass(frozen=True)
class Excitement:
    """The strongest answers of each unit of a layer, the strongest first.

    Attributes:
        pictures: Which pictures, int64 (units, STRONGEST).
        places: Row and column in the unit's map, int64 (units, STRONGEST, 2).
        purity: Share of the commonest class among those pictures, (units,); NaN of units that never answer.
    """

    pictures: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    purity: npt.NDArray[np.float64]


def excitement(maps: Array, targets: npt.NDArray[np.generic]) -> Excitement:
    """Who excites which unit: maps (N, units, H, W) or features (N, units)."""
    maps = maps.reshape(*maps.shape[:2], *(maps.shape[2:] or (1, 1)))
    count, units, _, width = maps.shape
    flat = maps.reshape(count, units, -1)
    peaks, places = flat.max(axis=2), flat.argmax(axis=2)
    order = np.argsort(-peaks, axis=0, kind="stable")[:STRONGEST].T
    where = np.take_along_axis(places.T, order, axis=1)
    classes = targets[order].astype(np.int64)
    commonest = np.array([np.bincount(row).max() for row in classes]) / order.shape[1]
    alive = peaks.max(axis=0) > 0
    return Excitement(
        order, np.stack([where // width, where % width], axis=2), np.where(alive, commonest, np.nan)
    )


def patch(picture: Pixels, layer: Layer, place: npt.NDArray[np.int64]) -> Pixels:
    """What one value of a layer sees: uint8 (field, field), black beyond the picture's edge."""
    half = layer.field // 2
    padded = np.pad(picture[:, :, 0], half)
    row, column = (int(index) * layer.step for index in place)
    return padded[row : row + layer.field, column : column + layer.field]


def draw_filters(weight: Array, columns: int) -> Figure:
    """Filters as small pictures, signed in grey, of three channels in colour; the clearest edges first."""
    order = np.argsort(-edge_shares(weight))
    rows = -(-len(order) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(12, 13.5 / columns * rows))
    figure.subplots_adjust(0.01, 0.02, 0.99, 0.98, wspace=0.15, hspace=0.15)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, index in zip(grid.flat, order, strict=False):
        kernel = weight[index].transpose(1, 2, 0)
        # Grey, or mid-grey in all channels, is 0.
        axes.imshow(0.5 + 0.5 * kernel / np.abs(kernel).max(), "gray", vmin=0, vmax=1)
    return figure


def draw_maps(pixels: Pixels, maps: dict[str, Array], count: int = 8) -> Figure:
    """A picture, and of each layer the maps, (units, H, W), that answer most."""
    figure, grid = plt.subplots(
        len(maps),
        count + 1,
        figsize=(12, 1.38 * len(maps) * pixels.shape[0] / pixels.shape[1]),
        layout="constrained",
    )
    for axes in grid.flat:
        axes.set_axis_off()
    grid[0, 0].imshow(pixels.squeeze(), "gray")
    for row, (name, layer) in zip(grid, maps.items(), strict=True):
        strongest = np.argsort(-layer.max(axis=(1, 2)), kind="stable")[:count]
        for axes, unit in zip(row[1:], strongest, strict=True):
            axes.imshow(layer[unit], "gray")
        row[1].set_title(name, fontsize=9, loc="left")
    return figure


def draw_patches(served: Served, layers: dict[int, Excitement], part: Examples, units: int = 4) -> Figure:
    """For some units of each layer, the nine patches that excite them most; a row is a layer."""
    figure, grid = plt.subplots(len(layers), units, figsize=(12, 3.1 * len(layers)), layout="constrained")
    for row, (number, excited) in zip(grid, layers.items(), strict=True):
        layer = served.convolutions[number]
        purest = np.argsort(-np.nan_to_num(excited.purity), kind="stable")[: 4 * units : 4]
        for axes, unit in zip(row, purest, strict=True):
            patches = [
                patch(part.pixels[index], layer, place)
                for index, place in zip(excited.pictures[unit, :9], excited.places[unit], strict=False)
            ]
            _mosaic(axes, patches)
            axes.set_title(
                f"layer {number + 1}, unit {unit}: {excited.purity[unit]:.0%} one class", fontsize=9
            )
    return figure


def draw_pictures(excited: Excitement, part: Examples, units: int = 8) -> Figure:
    """For some units of the last layer, the nine pictures that excite them most."""
    figure, grid = plt.subplots(2, units // 2, figsize=(12, 6.4), layout="constrained")
    for axes, unit in zip(grid.flat, np.flatnonzero(~np.isnan(excited.purity)), strict=False):
        _mosaic(axes, [part.pixels[index, :, :, 0] for index in excited.pictures[unit, :9]])
        axes.set_title(f"unit {unit}: {excited.purity[unit]:.0%} one class", fontsize=9)
    return figure


def _mosaic(axes: plt.Axes, tiles: list[Pixels]) -> None:
    """Nine tiles, three by three, with grey lines between them."""
    framed = [np.pad(tile, 1, constant_values=90) for tile in tiles]
    axes.imshow(np.block([framed[start : start + 3] for start in (0, 3, 6)]), "gray", vmin=0, vmax=255)
    axes.set_axis_off()


@torch.no_grad()
def photo_maps(pixels: Pixels, root: Path) -> tuple[Array, dict[str, Array]]:
    """EfficientNet-Lite2: its first filters, (32, 3, 3, 3), and its maps of one picture, uint8 (H, W, 3).

    Raises:
        DataError: Its weights cannot be had.
    """
    trunk, _ = efficientnet.efficientnet_lite2(root)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (efficientnet.MEAN, efficientnet.STD))
    x = (to_float(torch.tensor(pixels[None])) - mean) / std
    trunk.eval()
    maps = {}
    x = trunk.bn1(trunk.conv_stem(x))
    maps["first convolution"] = x[0].numpy()
    for number, stage in enumerate(trunk.stages, start=1):
        x = stage(x)
        maps[f"stage {number}"] = x[0].numpy()
    return trunk.conv_stem.weight.numpy(), maps


def draw_purity(purity: dict[str, npt.NDArray[np.float64]], chance: float) -> Figure:
    """How much of one class a unit's favourite pictures are, layer by layer."""
    figure, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
    axes.bar(range(len(purity)), [float(np.nanmean(values)) for values in purity.values()], color=GREEN)
    axes.axhline(chance, color="black", lw=1, ls="--", label="any 50 pictures")
    axes.legend(frameon=False, loc="upper left")
    axes.set_xticks(range(len(purity)), list(purity))
    axes.set_xlabel("convolution")
    axes.set_ylabel("share of one class")
    axes.set_ylim(0, 1)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_changes(changes: dict[int, dict[int, float]]) -> Figure:
    """Change of the answers against the window of max pooling, a line for each shift."""
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for (columns, values), colour in zip(changes.items(), (BLUE, ORANGE, RED), strict=True):
        axes.plot(range(len(values)), list(values.values()), "o-", color=colour, label=f"moved by {columns}")
        axes.set_xticks(range(len(values)), ["none", *(f"{window} x {window}" for window in [*values][1:])])
    axes.set_xlabel("max pooling over the first convolution's maps")
    axes.set_ylabel("change of the answers")
    axes.set_ylim(0)
    axes.legend(frameon=False, title="pixels")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def section_on_photos(workbench: Workbench) -> list[Block]:
    """The same of EfficientNet-Lite2, whose weights must be fetched."""
    car = np.asarray(draw(DrawnCar("sedan", 0.7, 0.11, 0.5), np.random.default_rng(1)))
    try:
        weight, maps = photo_maps(car, workbench.data)
    except DataError as failure:
        return [f"EfficientNet-Lite2 was not looked at in this run: {failure}"]
    share = float(edge_shares(weight).mean())
    return [
        "## The same in colour",
        "EfficientNet-Lite2, the trunk of cars-transfer, learned on a million photos. Its 32 first filters"
        f" have three channels. Only {share:.0%} of their energy is edge in the strict sense of above: 3 x 3"
        " pixels and a stride of two leave little room, so the first layer finds colours, spots and lines,"
        " and the next ones put the edges together.",
        workbench.save(draw_filters(weight, 16), "filters_colour", "32 small filters in colour"),
        "A drawn car, and what the first convolution and the trunk's five stages make of it:",
        workbench.save(draw_maps(car, maps), "maps_car", "A drawn car and maps of six depths"),
    ]
