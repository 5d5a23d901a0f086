"""The samples of a benchmark: medians over rounds, ratios within a round."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """What is measured.

    Attributes:
        row: A row of scenarios.ROWS, or start.
        model: The classifier; of the row prices the name of the photo.
        connections: 0 where the number of connections does not matter.
    """

    row: str
    model: str = ""
    connections: int = 0


@dataclass(frozen=True)
class Sample:
    """The figures of one server in one scenario and one round.

    Attributes:
        round: Number of the round, from 0.
        server: Name of the contender.
        case: The scenario.
        values: Figures by name; the name ends with the unit.
    """

    round: int
    server: str
    case: Scenario
    values: dict[str, float]


class Results:
    """Figures over all samples; None where nothing was measured."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = list(samples)

    def by_round(self, server: str, case: Scenario, value: str) -> dict[int, float]:
        """One figure of each round that measured it, by the number of the round."""
        return {
            sample.round: sample.values[value]
            for sample in self.samples
            if sample.server == server and sample.case == case and value in sample.values
        }

    def median(self, server: str, case: Scenario, value: str) -> float | None:
        """The median over the rounds."""
        values = self.by_round(server, case, value).values()
        return statistics.median(values) if values else None

    def total(self, server: str, case: Scenario, value: str) -> float | None:
        """The sum over the rounds."""
        values = self.by_round(server, case, value).values()
        return sum(values) if values else None

    def ratio(self, over: tuple[str, Scenario, str], under: tuple[str, Scenario, str]) -> float | None:
        """The median of the ratios within each round.

        Drifts of the machine affect both sides of a round alike.
        """
        above, below = self.by_round(*over), self.by_round(*under)
        ratios = [above[number] / below[number] for number in above if below.get(number)]
        return statistics.median(ratios) if ratios else None

    def cases(self, row: str) -> list[Scenario]:
        """The scenarios of a row, in the order they were measured."""
        return list(dict.fromkeys(sample.case for sample in self.samples if sample.case.row == row))

    def servers(self, case: Scenario) -> list[str]:
        """The servers that a scenario was measured with."""
        return list(dict.fromkeys(sample.server for sample in self.samples if sample.case == case))
