"""The pictures of a gallery side by side, each with what it is, what was answered, and the error."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from training.course.workbench import BLUE, RED
from training.fitting.tracking.answers import Exhibit

COLUMNS = 5


def mosaic(exhibits: Sequence[Exhibit], unit: str = "") -> Figure:
    """Five pictures to a row, in the order of the exhibits.

    Args:
        exhibits: Whose pictures may be shown.
        unit: Of prices; empty for classes, whose error is one minus the probability of the true class.
    """
    rows = -(-len(exhibits) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(12, 2.9 * rows), layout="constrained", squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, exhibit in zip(axes.flat, exhibits, strict=False):
        assert exhibit.pixels is not None
        axis.imshow(exhibit.pixels.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axis.set_title(_caption(exhibit, unit), fontsize=12, color=_colour(exhibit))
    return figure


def _caption(exhibit: Exhibit, unit: str) -> str:
    actual, predicted, error = (
        f"{value:,.0f} {unit}" if isinstance(value, float) and unit else value
        for value in (exhibit.actual, exhibit.predicted, exhibit.absolute_error)
    )
    if not unit:
        error = f"{exhibit.absolute_error:.3f}"
    return f"actual: {actual}\npredicted: {predicted}\nerror: {error}"


def _colour(exhibit: Exhibit) -> str:
    """Red where the answer is wrong; a price is never exactly right, and stays blue."""
    wrong = isinstance(exhibit.actual, str) and exhibit.actual != exhibit.predicted
    return RED if wrong else BLUE
