"""The report of a GPU check, as Markdown: machine, checks, speeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["pass", "fail", "not run"]


@dataclass(frozen=True)
class Speed:
    """Pictures/s of the service's own session and of a bare one, at one batch size."""

    batch: int
    ours: float
    bare: float

    def __str__(self) -> str:
        return f"{self.ours:,.0f} / {self.bare:,.0f} ({self.ours / self.bare:.0%})"


@dataclass(frozen=True)
class Check:
    """subject: a model, or what else is checked. figure: what was measured, or why it was not."""

    subject: str
    name: str
    outcome: Outcome
    figure: str
    speeds: tuple[Speed, ...] = ()


def render(device: str, machine: Mapping[str, str], checks: Sequence[Check]) -> str:
    """The whole page. device: cuda or cpu. machine: facts by name."""
    ran = [check for check in checks if check.outcome != "not run"]
    failed = sum(check.outcome == "fail" for check in ran)
    parts = [
        "# GPU check" if device == "cuda" else "# GPU check, on a CPU: it says nothing about a GPU",
        f"{len(ran)} of {len(checks)} checks ran, {failed or 'none'} failed.",
        _table(("machine", ""), list(machine.items())),
        _table(
            ("subject", "check", "outcome", "figure"),
            [(check.subject, check.name, check.outcome, check.figure) for check in checks],
        ),
    ]
    timed = [check for check in checks if check.speeds]
    if timed:
        batches = sorted({speed.batch for check in timed for speed in check.speeds})
        parts += [
            "Pictures/s, the service's session / a bare onnxruntime session, by pictures in a batch"
            " (-: one batch would have taken longer than a measurement)",
            _table(("model", *map(str, batches)), [_speeds(check, batches) for check in timed]),
        ]
    return "\n\n".join(parts) + "\n"


def _speeds(check: Check, batches: Sequence[int]) -> tuple[str, ...]:
    shown = {speed.batch: str(speed) for speed in check.speeds}
    return (check.subject, *(shown.get(batch, "-") for batch in batches))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
