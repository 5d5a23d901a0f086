"""The samples of a benchmark: medians over rounds, ratios within a round."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.bench.contenders import BARE


@dataclass(frozen=True)
class Scenario:
    """What is measured.

    Attributes:
        row: A row of scenarios.ROWS, start or bare.
        model: The classifier; of the row prices the name of the photo.
        connections: 0 where their number does not matter; of the row bare the number of processes.
        overload: Of an open loop its rate, as a multiple of the closed loop's; 0 otherwise.
    """

    row: str
    model: str = ""
    connections: int = 0
    overload: float = 0.0


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

    def bare(self, model: str) -> Scenario | None:
        """The bare loop of this model on all cores."""
        cases = [case for case in self.cases("bare") if case.model == model]
        return max(cases, key=lambda case: case.connections, default=None)

    def gain(self, model: str, value: str) -> float:
        """How many times the work of one core all do; 1 where it was not measured.

        Args:
            model: The model of the bare loop.
            value: requests_per_s, or cpu_ms for what they would do with nothing beside them.
        """
        bare, one = self.bare(model), Scenario("bare", model, 1)
        if bare is None:
            return 1.0
        if value == "cpu_ms":
            return bare.connections * (self.ratio((BARE, one, value), (BARE, bare, value)) or 0.0)
        return self.ratio((BARE, bare, value), (BARE, one, value)) or 1.0

    def goodput_share(self, server: str, model: str, overload: float) -> float | None:
        """200s per second of an open loop over those at the best rate of the same round."""
        rates = {
            case.overload: self.by_round(server, case, "requests_per_s")
            for case in self.cases("overload")
            if case.model == model and case.overload
        }
        shares = [
            rate / max(other[number] for other in rates.values() if number in other)
            for number, rate in rates.get(overload, {}).items()
            if rate
        ]
        return statistics.median(shares) if shares else None
