"""Requests per second of each server, as bars."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # no window: benchmarks run on servers too

import matplotlib.pyplot as plt

from loadtests.bench.contenders import CONTENDERS
from loadtests.bench.report.results import Results, Scenario

INK, SOFT, WARM = "#1f4e79", "#9db8d2", "#c0504d"


def draw(results: Results, models: Sequence[str], path: Path) -> None:
    """One panel for each model; 16 and 64 connections, multipart, whiskers from the least to the most."""
    figure, panels = plt.subplots(
        1, len(models), figsize=(1 + 5 * len(models), 3.6), squeeze=False, layout="constrained"
    )
    for axes, model in zip(panels[0], models, strict=True):
        for offset, connections, colour in ((-0.2, 16, SOFT), (0.2, 64, INK)):
            case = Scenario("digits", model, connections)
            servers = [name for name in CONTENDERS if results.by_round(name, case, "requests_per_s")]
            rounds = [list(results.by_round(name, case, "requests_per_s").values()) for name in servers]
            medians = [results.median(name, case, "requests_per_s") or 0.0 for name in servers]
            whiskers = (
                [middle - min(values) for middle, values in zip(medians, rounds, strict=True)],
                [max(values) - middle for middle, values in zip(medians, rounds, strict=True)],
            )
            places = [index + offset for index in range(len(servers))]
            axes.bar(
                places, medians, 0.38, yerr=whiskers, color=colour, ecolor=WARM, capsize=2,
                label=f"{connections} connections",
            )  # fmt: skip
            axes.set_xticks(range(len(servers)), [CONTENDERS[name].title for name in servers], rotation=20)
        axes.set(title=f"One 280 x 280 PNG per request, {model}", ylabel="requests/s")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
