"""Numbers in answers: as many digits as say something."""

from types import SimpleNamespace

import numpy as np
import pytest

from service.answers import price_facts

CARD = SimpleNamespace(coverage=0.9, unit="kg", basis="on the scales", familiarity_threshold=0.5)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(23456.7, 23457.0), (100.4, 100.0), (99.44, 99.4), (3.14159, 3.14), (0.04321, 0.0432)],
)
def test_small_numbers_keep_three_digits(value: float, shown: float):
    outputs = {name: np.float32(value) for name in ("value", "low", "high", "familiarity")}

    facts = price_facts(CARD, outputs)

    assert (facts.price, facts.low, facts.high) == pytest.approx((shown,) * 3, rel=1e-6)
