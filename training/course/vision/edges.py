"""Filters by hand: image kernels, Canny's edges, and four scenes in which edges are not to be had."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from training.course.page import Block, Table
from training.course.workbench import Workbench
from training.data.synthetic.cars import draw, draw_model

Grey = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Array = npt.NDArray[np.float64]

KERNELS: Mapping[str, Array] = {
    "identity": np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], float),
    "blur": np.ones((3, 3)) / 9,
    "sharpen": np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], float),
    "difference (-1, 1)": np.array([[0, 0, 0], [0, -1, 1], [0, 0, 0]], float),
    "Sobel x": np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], float),
    "Sobel y": np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], float),
    "Laplace": np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], float),
    "emboss": np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], float),
}

SIGMA = 1.4
"""Pixels: of the Gaussian before Canny's gradient."""

THRESHOLDS = (25, 60)
"""Canny's: an edge begins above the second and goes on above the first."""

TOLERANCE = 2
"""Pixels by which a found edge may miss a true one."""


def correlate(picture: Grey, kernel: Array) -> Array:
    """Each pixel becomes the inner product of the kernel with its neighbourhood, float64 (H, W)."""
    found: Array = cv2.filter2D(
        picture.astype(np.float64), cv2.CV_64F, kernel, borderType=cv2.BORDER_REPLICATE
    )
    return found


def derivative_of_gaussian(sigma: float = SIGMA) -> Array:
    """The kernel d/dx of a Gaussian: smoothing and difference in one."""
    u = np.arange(-round(3 * sigma), round(3 * sigma) + 1)
    gauss = np.exp(-(u**2) / (2 * sigma**2))
    gauss /= gauss.sum()
    # A correlation does not mirror its kernel, hence +u: bright on the right gives a positive answer.
    return np.outer(gauss, u / sigma**2 * gauss)


def canny(picture: Grey, low: float = THRESHOLDS[0], high: float = THRESHOLDS[1]) -> Mask:
    """Edges, bool (H, W): smooth, gradient, thin to its ridges, follow strong ridges (Canny, PAMI 1986)."""
    smooth = cv2.GaussianBlur(picture, (0, 0), SIGMA)
    edges: Mask = cv2.Canny(smooth, low, high, L2gradient=True) > 0
    return edges


@dataclass(frozen=True)
class Scene:
    """A drawn car in one light.

    Attributes:
        picture: uint8 (H, W).
        outline: Where the car ends, bool (H, W).
        lines: Where any colour of the drawing ends, bool (H, W).
    """

    picture: Grey
    outline: Mask
    lines: Mask


def scenes(seed: int) -> dict[str, Scene]:
    """One drawn car in plain light, camouflaged, over-exposed, under-exposed and under hard light."""
    rng = np.random.default_rng(seed)
    drawing = np.asarray(draw(draw_model(rng), rng))
    ground = np.where(
        np.arange(len(drawing))[:, None, None] < _horizon(drawing), drawing[0, 0], drawing[-1, 0]
    )
    car = (drawing != ground).any(axis=2)
    outline = car & ~(cv2.erode(car.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    steps = cv2.morphologyEx(drawing, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8))
    grey, behind = (cv2.cvtColor(part.astype(np.uint8), cv2.COLOR_RGB2GRAY).astype(float)
                    for part in (drawing, ground))  # fmt: skip
    noise = rng.normal(0, 1, grey.shape)
    leaves = cv2.GaussianBlur(rng.normal(0, 1, grey.shape), (0, 0), 3)
    height, width = grey.shape
    stripes = (np.arange(width)[None, :] + np.arange(height)[:, None]) // 24 % 2
    lights = {
        "plain light": grey + 2 * noise,
        "camouflage": behind + 0.04 * (grey - behind) + 14 * leaves / leaves.std() + 2 * noise,
        "over-exposure": 60 + 6 * grey + 2 * noise,
        "under-exposure": 0.03 * grey + 1.5 * noise,
        "hard light": grey * np.where(stripes, 1, 0.3) + 2 * noise,
    }
    return {
        name: Scene(np.clip(np.rint(light), 0, 255).astype(np.uint8), outline, steps.any(axis=2))
        for name, light in lights.items()
    }


def _horizon(drawing: npt.NDArray[np.uint8]) -> int:
    """The first row whose outermost pixel is no longer sky."""
    return int((drawing[:, 0] != drawing[0, 0]).any(axis=1).argmax())


def f1(edges: Mask, scene: Scene) -> float:
    """How well edges draw the car: harmonic mean of recall and precision.

    Recall is the share of the outline with an edge within TOLERANCE, precision the share of edges within
    TOLERANCE of any line of the drawing.
    """
    if not edges.any():
        return 0.0
    recall = float(_widened(edges)[scene.outline].mean())
    precision = float(_widened(scene.lines)[edges].mean())
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


def best_thresholds(scene: Scene) -> tuple[float, float]:
    """Canny's thresholds with the highest f1: tuned on the answer, for this very picture."""
    choices = [(0.4 * high, float(high)) for high in (5, 10, 20, 40, 80, 120, 160, 240, 320)]
    return max(choices, key=lambda pair: f1(canny(scene.picture, *pair), scene))


def _widened(mask: Mask) -> Mask:
    size = 2 * TOLERANCE + 1
    wide: Mask = cv2.dilate(mask.astype(np.uint8), np.ones((size, size), np.uint8)) > 0
    return wide


def draw_kernels(picture: Grey) -> Figure:
    """A picture through each kernel, with the kernel's numbers."""
    figure, grid = plt.subplots(2, 4, figsize=(12, 4.6), layout="constrained")
    for axes, (name, kernel) in zip(grid.flat, KERNELS.items(), strict=True):
        signed = kernel.sum() < 0.5
        limits = (-128, 128) if signed else (0, 255)
        axes.imshow(correlate(picture, kernel), "gray", vmin=limits[0], vmax=limits[1])
        rows = "\n".join("  ".join(f"{value:.2g}" for value in row) for row in kernel)
        axes.set_title(name, fontsize=11)
        axes.text(4, 6, rows, fontsize=8, va="top", family="monospace", bbox={"color": "white", "alpha": 0.8})
        axes.set_axis_off()
    return figure


def draw_canny(picture: Grey) -> Figure:
    """Canny's steps: the picture, its derivatives, their length, the edges."""
    kernel = derivative_of_gaussian()
    x, y = correlate(picture, kernel), correlate(picture, kernel.T)
    figure, grid = plt.subplots(1, 4, figsize=(12, 2.3), layout="constrained")
    parts = {"derivative in x": x, "derivative in y": y, "length": np.hypot(x, y), "edges": canny(picture)}
    for axes, (name, values) in zip(grid, parts.items(), strict=True):
        axes.imshow(values, "gray" if name.startswith("derivative") else "gray_r")
        axes.set_title(name, fontsize=11)
        axes.set_axis_off()
    return figure


def draw_scenes(lights: Mapping[str, Scene]) -> Figure:
    """Each scene, its edges, and its edges by the best thresholds, with their f1."""
    figure, grid = plt.subplots(3, len(lights), figsize=(12, 5.3), layout="constrained")
    for column, (name, scene) in zip(grid.T, lights.items(), strict=True):
        tuned = canny(scene.picture, *best_thresholds(scene))
        column[0].imshow(scene.picture, "gray", vmin=0, vmax=255)
        column[0].set_title(name, fontsize=11)
        for axes, edges, says in ((column[1], canny(scene.picture), "Canny"), (column[2], tuned, "tuned")):
            axes.imshow(edges, "gray_r")
            axes.set_title(f"{says}: F1 {f1(edges, scene):.2f}", fontsize=10)
        for axes in column:
            axes.set_axis_off()
    return figure


def section(
    workbench: Workbench,
    plain: Grey,
    lights: dict[str, Scene],
    found: dict[str, list[float]],
    count: int,
) -> list[Block]:
    """Of the page: kernels, Canny, and where both fail; `found` is the mean f1 over `count` cars."""
    return [
        "## Filters by hand",
        "A filter is a small table of weights. It is laid on every pixel, multiplied with what lies below"
        " it and summed: an inner product with a neighbourhood. The weights decide what comes out. Those"
        " that add up to 0 answer to differences only (grey is 0 there).",
        workbench.save(draw_kernels(plain), "kernels", "A drawn car through eight 3 x 3 kernels"),
        "Canny's detector starts with the derivative of a Gaussian in both directions, takes the length of"
        " that gradient, thins it to ridges and follows the strong ones.",
        workbench.save(draw_canny(plain), "canny", "Derivatives of a drawn car, their length, the edges"),
        "## Where edges fail",
        "An edge is a difference in brightness. A car in the colours of its background has none, a"
        " saturated or starved sensor swallows it, and a shadow has edges without being a thing. The last"
        " row chooses Canny's thresholds for each picture with the answer at hand, which nobody has in"
        " earnest.",
        workbench.save(draw_scenes(lights), "lights", "A car in five lights, with two rows of edges"),
        Table(
            ("light", "F1, fixed thresholds", "F1, best thresholds"),
            [(name, f"{fixed:.2f}", f"{best:.2f}") for name, (fixed, best) in found.items()],
        ),
        f"Means over {count} drawn cars. F1 joins how much of the car's outline has an edge with how many"
        " edges are lines of the drawing. Under-exposure alone can be mended by other thresholds: the"
        " difference is still there, only small. Camouflage and saturation took it away.",
    ]  # fmt: skip
