"""Requests per second of each server, as bars."""

from collections.abc import Sequence
from pathlib import Path

from loadtests import charts
from loadtests.bench.contenders import BARE, CONTENDERS, title
from loadtests.bench.report.results import Results, Scenario
from loadtests.charts import INK, SOFT, WARM, plt


def draw(results: Results, models: Sequence[str], path: Path) -> None:
    """Draw one panel per model, of the first form that each server was sent, at 16 and 64 connections.

    Whiskers reach from the least to the most of the rounds; a line shows the bare loop on all cores.
    """
    figure, panels = plt.subplots(
        1, len(models), figsize=(2 + 6 * len(models), 3.8), squeeze=False, layout="constrained"
    )
    for axes, model in zip(panels[0], models, strict=True):
        for offset, connections, colour in ((-0.2, 16, SOFT), (0.2, 64, INK)):
            measured = {
                name: [
                    case
                    for row in contender.bodies
                    if results.by_round(name, case := Scenario(row, model, connections), "requests_per_s")
                ]
                for name, contender in CONTENDERS.items()
            }
            cases = {name: rows[0] for name, rows in measured.items() if rows}
            servers = list(cases)
            rounds = [
                list(results.by_round(name, cases[name], "requests_per_s").values()) for name in servers
            ]
            medians = [results.median(name, cases[name], "requests_per_s") or 0.0 for name in servers]
            whiskers = (
                [middle - min(values) for middle, values in zip(medians, rounds, strict=True)],
                [max(values) - middle for middle, values in zip(medians, rounds, strict=True)],
            )
            axes.bar(
                [index + offset for index in range(len(servers))], medians, 0.38, yerr=whiskers,
                color=colour, ecolor=WARM, capsize=2, label=f"{connections} connections",
            )  # fmt: skip
            axes.set_xticks(range(len(servers)), [title(name) for name in servers], rotation=25)
        bare = results.bare(model)
        if bare:
            rate = results.median(BARE, bare, "requests_per_s") or 0.0
            axes.axhline(rate, color=WARM, linewidth=1, label="bare loop")
        axes.set(title=f"One 280 x 280 PNG per request, {model}", ylabel="requests/s")
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    charts.save(figure, path)
