"""The report of a GPU check as Markdown: machine, checks, speeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from loadtests.markdown_table import markdown_table

Outcome = Literal["pass", "fail", "not run"]


@dataclass(frozen=True)
class Speed:
    """Pictures/s at one batch size.

    Attributes:
        batch: Pictures in a batch.
        service: Pictures/s of the service's own session.
        bare: Pictures/s of a bare onnxruntime session.
    """

    batch: int
    service: float
    bare: float

    def __str__(self) -> str:
        return f"{self.service:,.0f} / {self.bare:,.0f} ({self.service / self.bare:.0%})"


@dataclass(frozen=True)
class Check:
    """The outcome of one check.

    Attributes:
        subject: A model, or the part that is checked.
        name: What is checked about it.
        outcome: Whether it passed, failed or could not run.
        figure: What was measured, or why it was not.
        speeds: Speeds by batch size, where they were measured.
    """

    subject: str
    name: str
    outcome: Outcome
    figure: str
    speeds: tuple[Speed, ...] = ()


def render(device: str, machine: Mapping[str, str], checks: Sequence[Check]) -> str:
    """The whole page.

    Args:
        device: cuda or cpu.
        machine: Facts about the machine by name.
        checks: In the order of the table.
    """
    ran = [check for check in checks if check.outcome != "not run"]
    failed = sum(check.outcome == "fail" for check in ran)
    parts = [
        "# GPU check" if device == "cuda" else "# GPU check, on a CPU: it says nothing about a GPU",
        f"{len(ran)} of {len(checks)} checks ran, {failed or 'none'} failed.",
        markdown_table(("machine", ""), list(machine.items())),
        markdown_table(
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
            markdown_table(("model", *map(str, batches)), [_speeds(check, batches) for check in timed]),
        ]
    return "\n\n".join(parts) + "\n"


def _speeds(check: Check, batches: Sequence[int]) -> tuple[str, ...]:
    by_batch = {speed.batch: str(speed) for speed in check.speeds}
    return (check.subject, *(by_batch.get(batch, "-") for batch in batches))
