"""What was measured, and what it comes to: medians over rounds, ratios within a round."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """What was done. model: what it was done with. connections: 0 where it is no matter of connections."""

    row: str
    model: str = ""
    connections: int = 0


@dataclass(frozen=True)
class Sample:
    """What one server came to with one case in one round."""

    round: int
    server: str
    case: Scenario
    values: dict[str, float]


class Results:
    """Samples that can be asked. Answers are None where nothing was measured."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = list(samples)

    def by_round(self, server: str, case: Scenario, value: str) -> dict[int, float]:
        return {
            sample.round: sample.values[value]
            for sample in self.samples
            if sample.server == server and sample.case == case and value in sample.values
        }

    def median(self, server: str, case: Scenario, value: str) -> float | None:
        found = self.by_round(server, case, value).values()
        return statistics.median(found) if found else None

    def total(self, server: str, case: Scenario, value: str) -> float | None:
        found = self.by_round(server, case, value).values()
        return sum(found) if found else None

    def ratio(self, over: tuple[str, Scenario, str], under: tuple[str, Scenario, str]) -> float | None:
        """The median of the ratios within each round: drifts of the machine hit both sides alike."""
        above, below = self.by_round(*over), self.by_round(*under)
        ratios = [above[number] / below[number] for number in above if below.get(number)]
        return statistics.median(ratios) if ratios else None

    def cases(self, row: str) -> list[Scenario]:
        """Those of a row, in the order they were measured."""
        return list(dict.fromkeys(sample.case for sample in self.samples if sample.case.row == row))

    def servers(self, case: Scenario) -> list[str]:
        return list(dict.fromkeys(sample.server for sample in self.samples if sample.case == case))
