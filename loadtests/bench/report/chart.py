"""Requests per second of each server, as bars."""

from collections.abc import Sequence
from pathlib import Path

from loadtests import charts
from loadtests.bench.contenders import CONTENDERS
from loadtests.bench.report.results import Results, Scenario
from loadtests.charts import INK, SOFT, WARM, plt


def draw(results: Results, models: Sequence[str], path: Path) -> None:
    """Draw one panel per model, of multipart requests at 16 and 64 connections.

    Whiskers reach from the least to the most of the rounds.
    """
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
            axes.bar(
                [index + offset for index in range(len(servers))], medians, 0.38, yerr=whiskers,
                color=colour, ecolor=WARM, capsize=2, label=f"{connections} connections",
            )  # fmt: skip
            axes.set_xticks(range(len(servers)), [CONTENDERS[name].title for name in servers], rotation=20)
        axes.set(title=f"One 280 x 280 PNG per request, {model}", ylabel="requests/s")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    charts.save(figure, path)
