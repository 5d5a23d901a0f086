"""Lab "templates": a weight row of a linear layer is a picture, a score the inner product with it."""

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.course.page import Link, Page, Table
from training.course.vision.linear import (
    FOUR,
    Array,
    Templates,
    accuracy,
    agreement,
    class_means,
    error,
    flat,
    learn_one_by_one,
    looked_at,
    record_learning,
    softmax,
)
from training.course.vision.served import Served
from training.course.workbench import BLUE, RED, Workbench
from training.data import sources
from training.data.splits import Examples
from training.recipes.digits import LINEAR

SIDE = 28
SHADES = plt.get_cmap("RdBu", 13)
"""Few, so that an animation of noise stays small."""


def show(axes: Axes, row: Array, limit: float, title: str = "") -> None:
    """A template or a product: blue where it speaks for its class, red where against it."""
    axes.imshow(row.reshape(SIDE, SIDE), SHADES, vmin=-limit, vmax=limit)
    axes.set_title(title, fontsize=11)
    axes.set_axis_off()


def draw_learning(kept: dict[int, Templates]) -> list[npt.NDArray[np.uint8]]:
    """A frame for each kept moment: ten templates, (H, W, 3)."""
    frames = []
    for updates, templates in kept.items():
        figure, grid = plt.subplots(2, 5, figsize=(6, 3), layout="constrained")
        centred = templates.rows - templates.rows.mean(axis=0)
        limit = float(np.quantile(np.abs(centred), 0.99))
        for k, axes in enumerate(grid.flat):
            show(axes, centred[k], limit, str(k))
        figure.suptitle(f"after {updates:,} updates ({updates * LINEAR.batch_size:,} pictures)", fontsize=12)
        figure.set_dpi(80)
        figure.canvas.draw()
        frames.append(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())  # type: ignore[attr-defined]
        plt.close(figure)
    return frames


def draw_four(kept: dict[int, Array]) -> Figure:
    """A strip: four templates after more and more pictures."""
    figure, grid = plt.subplots(FOUR, len(kept), figsize=(12, 7), layout="constrained")
    for column, (seen, rows) in zip(grid.T, kept.items(), strict=True):
        for k, axes in enumerate(column):
            title = f"{seen:,} pictures" if k == 0 else ""
            show(axes, rows[k], float(np.quantile(np.abs(rows), 0.995)), title)
    return figure


def draw_update(before: Array, x: Array, e: Array, lr: float) -> Figure:
    """One step of the rule: W + lr e x^T, for each class."""
    figure, grid = plt.subplots(3, FOUR, figsize=(10, 7), layout="constrained")
    steps = lr * np.outer(e, x)
    limit = float(np.abs(steps).max())
    for k in range(FOUR):
        show(grid[0, k], before[k], limit, f"template {k} before")
        show(grid[1, k], steps[k], limit, f"{lr:g} x ({e[k]:+.2f}) x picture")
        show(grid[2, k], before[k] + steps[k], limit, f"template {k} after")
    return figure


def draw_match(templates: Templates, x: Array) -> Figure:
    """The picture; below it each template, and each product with its sum, the inner product."""
    count = len(templates.rows)
    columns, rows = min(count, 5), 2 * -(-count // 5)
    figure = plt.figure(figsize=(12, 2.3 * rows), layout="constrained")
    grid = figure.add_gridspec(rows, columns + 2)
    axes = figure.add_subplot(grid[:2, :2])
    axes.imshow(x.reshape(SIDE, SIDE), "gray_r")
    axes.set_title("the picture x", fontsize=11)
    axes.set_axis_off()
    products, scores = templates.products(x), templates.scores(x)
    limits = [float(np.quantile(np.abs(part), 0.995)) for part in (templates.rows, products)]
    for k in range(count):
        row, column = 2 * (k // columns), 2 + k % columns
        show(figure.add_subplot(grid[row, column]), templates.rows[k], limits[0], f"template {k}")
        below = figure.add_subplot(grid[row + 1, column])
        show(below, products[k], limits[1], f"x · template {k} = {products[k].sum():+.1f}")
        best = k == int(scores.argmax())
        below.title.set(color=BLUE if best else RED, weight="bold" if best else "normal", fontsize=10)
    return figure


def run(workbench: Workbench) -> Page:
    """Templates learned, by the recipe and by the lecture's rule; a digit matched with them."""
    splits = sources.load(LINEAR.data, LINEAR.view, workbench.data, 4000 if workbench.small else None)
    served = Templates.served()
    epochs = workbench.size(5, 2)
    total = epochs * (len(splits.train) // LINEAR.batch_size)
    kept = record_learning(splits, epochs, {0, *np.geomspace(1, total, 18).astype(int).tolist()})
    learned = [*kept.values()][-1]

    few, test_of_four = (part[part.targets < FOUR] for part in (splits.train, splits.test))
    few = few[: workbench.size(10_000, 1000)]
    four = learn_one_by_one(flat(few.pixels), few.targets, [1, 10, 100, 1000, 10_000])
    last = max(four)
    templates_of_four = Templates(four[last], np.zeros(FOUR))
    # The first step on which one sees something: from random numbers, with the first two of the set.
    two = flat(few.pixels[few.targets == 2][0])
    e = error(four[0], two, 2)

    x, name = looked_at(workbench, splits.test)
    products = served.products(x).sum(axis=1)
    checked = flat(splits.test.pixels[:500])
    graph = Served(LINEAR.name).run(splits.test.pixels[:500], ["probabilities"])[0]
    gap = float(np.abs(softmax(served.scores(checked)) - graph).max())
    means = class_means(splits.train, 10)
    own = agreement(served.rows, means)
    values = {
        "gap": gap,
        "accuracy_ten": accuracy(served, splits.test),
        "accuracy_learned": accuracy(learned, splits.test),
        "accuracy_four_before": accuracy(Templates(four[0], np.zeros(FOUR)), test_of_four),
        "accuracy_four": accuracy(templates_of_four, test_of_four),
        "own_class_matches": float((own.argmax(axis=1) == np.arange(10)).mean()),
        "learned_like_served": float(np.diag(agreement(learned.rows, served.rows)).mean()),
        "error_sum": float(e.sum()),
    } | {
        f"like_means_{seen}": float(np.diag(agreement(rows, means[:FOUR])).mean())
        for seen, rows in four.items()
    }
    holds = gap < 1e-4 and values["own_class_matches"] == 1 and values["accuracy_four"] > 0.9
    tables = [
        Table(
            ("class", "inner product", "offset", "score", "probability"),
            [
                (k, f"{p:+.2f}", f"{o:+.2f}", f"{p + o:+.2f}", f"{share:.4f}")
                for k, (p, o, share) in enumerate(
                    zip(products, served.offsets, softmax(served.scores(x)), strict=True)
                )
            ],
        ),
        Table(
            ("class", "inner product", "probability"),
            [
                (k, f"{score:+.2f}", f"{share:.4f}")
                for k, (score, share) in enumerate(
                    zip(templates_of_four.scores(x), softmax(templates_of_four.scores(x)), strict=True)
                )
            ],
        ),
    ]
    return Page(
        title="Templates: what a linear layer looks for",
        claim="A linear layer compares a picture with one template for each class, and training draws the "
        "templates.",
        holds=holds,
        verdict="Template times picture, summed, plus an offset, gives the answers of the served"
        f" digits-linear to within {gap:.0e} on 500 test digits. Each of its ten templates resembles"
        " the mean picture of its own class more than that of any other. The best match is right"
        f" for {values['accuracy_ten']:.1%} of the test digits; with four classes and the lecture's"
        f" rule for {values['accuracy_four']:.1%}, from {values['accuracy_four_before']:.1%} before"
        " learning.",
        blocks=[
            "## Ten templates while they are learned",
            workbench.save_animation(
                draw_learning(kept), "learning", "Ten noisy squares turn into templates", 400
            ),
            f"This is digits-linear in training by its own recipe, {epochs} epochs of it. A template is a"
            " row of the weight matrix, 784 numbers, laid out as 28 x 28 pixels. Blue pixels speak for the"
            " class where there is ink, red ones against it. Before the first update they are random; then"
            " shapes come out of the noise. The 0 has a red hole, because ink in the middle excludes a 0"
            " better than ink on the ring suggests one. Only differences between templates count, so what"
            " all ten have in common is taken away here.",
            f"The templates of this short run correlate with the served ones, which took {LINEAR.epochs}"
            f" epochs, by {values['learned_like_served']:.2f}.",
            "## One step of learning, with four classes",
            "The lecture's rule is: template + learning rate x error x picture. The error of a class is its"
            " target, 1 or 0, minus its probability. This picture is a 2, so it is added to template 2 and"
            f" taken away from the three others. The four errors add up to {abs(values['error_sum']):.0f}:"
            " what one template gains the others lose.",
            workbench.save(
                draw_update(four[0], two, e, 0.01), "update",
                "Four noisy templates, the error times the picture of a two, and the templates after the"
                " step",
            ),
            "One picture at a time, the same step builds the templates of 0, 1, 2 and 3 (one row each):",
            workbench.save(
                draw_four(four), "four", "Templates of 0 to 3 after no, one, ten and more pictures"
            ),
            "A template comes to look like the mean of its class first, and then less so: their correlation"
            f" is {values['like_means_100']:.2f} after 100 pictures, {values['like_means_1000']:.2f} after"
            f" 1,000 and {values[f'like_means_{last}']:.2f} after {last:,}. What remains to be learned are"
            " the differences between classes that look alike, and they are not pretty.",
            "## A digit and its matches",
            f"This is {name}, as the service's view prepares it. Above are the templates of digits-linear as"
            " it is served, below the products of template and picture, pixel by pixel. The sum of a product"
            " is the inner product, the matching score. Where there is no ink the product is 0: a template"
            " has no say about empty paper.",
            workbench.save(
                draw_match(served, x), "match_ten", "A digit, ten templates and ten products with their sums"
            ),
            tables[0],
            "The same digit and four classes, learned above without offsets:",
            workbench.save(
                draw_match(templates_of_four, x), "match_four",
                "A digit, four templates and four products with their sums",
            ),
            tables[1],
            "A linear layer has one template for all ways to write a digit, at one place. That is why it ends"
            f" at {values['accuracy_ten']:.0%}, and why the convolutional digits-cnn, which looks for small"
            " parts wherever they are, does not (lab filters).",
            "## Draw one",
            playground(workbench, served, templates_of_four, splits.test),
        ],
        code=[
            "training/course/vision/linear.py", "training/course/vision/templates.py",
            "training/course/vision/served.py",
            "training/course/play/templates.html", "training/recipes/digits.py",
        ],
        try_this="Match a digit of your own: `python -m training lab templates --picture my-digit.png`. Write"
        " it once upright and once slanted, and see which pixels of the product change sign.",
        values=values,
    )  # fmt: skip


def playground(workbench: Workbench, ten: Templates, four: Templates, test: Examples) -> Link:
    """The page on which one draws a digit, with both sets of templates and one test digit of each class."""
    digits = [test.pixels[test.targets == k][0].ravel().tolist() for k in range(10)]
    data: dict[str, object] = {
        name: {"rows": templates.rows.round(3).tolist(), "offsets": templates.offsets.round(3).tolist()}
        for name, templates in (("ten", ten), ("four", four))
    }
    return workbench.save_playground(
        "templates.html", "draw", "Draw a digit and see it matched", data | {"digits": digits}
    )
