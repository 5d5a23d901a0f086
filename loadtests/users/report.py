"""The report of a load test: a table of its stages and a chart of its knee."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator, StrMethodFormatter

from loadtests import charts
from loadtests.charts import INK, SOFT, WARM, plt
from loadtests.users.knee import find_knee
from loadtests.users.shapes import SHAPES
from loadtests.users.stage_stats import StageStats

COLUMNS = ("users", "requests/s", "refused/s", "failed", "p50 ms", "p95 ms", "p99 ms")


def table(stages: Sequence[StageStats]) -> str:
    """One line per stage, in the order given."""
    rows = [COLUMNS, *(_row(stage) for stage in stages)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def describe_knee(stages: Sequence[StageStats]) -> str:
    """The knee in words: its users, throughput and latency.

    Args:
        stages: By users, fewest first.
    """
    found = find_knee(stages)
    if found is None:
        return f"no knee up to {stages[-1].users} users"
    knee, most = stages[found], max(stage.requests_per_s for stage in stages)
    return (
        f"knee at {knee.users} {'user' if knee.users == 1 else 'users'}: {knee.requests_per_s:.0f} requests/s"
        f" ({knee.requests_per_s / most:.0%} of the most), p95 {knee.p95_ms:.0f} ms"
    )


def draw_knee(stages: Sequence[StageStats], path: Path) -> None:
    """Draw latency and requests/s against users as a PNG.

    Args:
        stages: By users, fewest first.
        path: The file to write.
    """
    figure, (latency, throughput) = plt.subplots(
        2, 1, figsize=(8, 7), sharex=True, height_ratios=(3, 2), layout="constrained"
    )
    users = [stage.users for stage in stages]
    think_s = SHAPES["steps"].think_s
    for name, colour in (("p99", SOFT), ("p95", WARM), ("p50", INK)):
        _curve(latency, users, [getattr(stage, f"{name}_ms") for stage in stages], colour, name)
    latency.set(ylabel="latency [ms]", title=describe_knee(stages).capitalize())
    offered = [count / think_s for count in users]
    throughput.plot(users, offered, color="grey", linestyle=":", label="offered if responses took no time")
    _curve(throughput, users, [stage.requests_per_s or None for stage in stages], INK, "answered")
    if any(stage.refused for stage in stages):
        refused = [stage.refused / stage.seconds or None for stage in stages]
        _curve(throughput, users, refused, WARM, "refused (503)")
    throughput.set(
        ylabel="requests/s", xlabel=f"users, each {think_s:g} s from a response to the next request"
    )
    found = find_knee(stages)
    for axes in (latency, throughput):
        axes.set(xscale="log", yscale="log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(users, labels=[str(count) for count in users])
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.grid(alpha=0.25)
        if found is not None:
            axes.axvline(users[found], color="black", linestyle="--", linewidth=1, label="knee")
        axes.legend(frameon=False, loc="upper left")
        axes.spines[["top", "right"]].set_visible(False)
    charts.save(figure, path)


def _curve(axes: Axes, users: Sequence[int], values: Sequence[float | None], colour: str, name: str) -> None:
    """Plot a line with gaps where there is no value."""
    heights = [float("nan") if value is None else value for value in values]
    axes.plot(users, heights, marker="o", markersize=4, color=colour, label=name)


def _row(stage: StageStats) -> tuple[str, ...]:
    latencies = (stage.p50_ms, stage.p95_ms, stage.p99_ms)
    return (
        str(stage.users), f"{stage.requests_per_s:.0f}", f"{stage.refused / stage.seconds:.0f}",
        str(stage.failed), *("-" if value is None else f"{value:.0f}" for value in latencies),
    )  # fmt: skip
