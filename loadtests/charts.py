"""The colours and the file format of every chart here."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # no window: load tests run on servers too

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

INK, SOFT, WARM = "#1f4e79", "#9db8d2", "#c0504d"


def save(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG and close it."""
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
