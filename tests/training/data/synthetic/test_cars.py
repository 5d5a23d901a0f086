"""Drawn cars: their prices follow the drawing."""

import numpy as np
import pytest

from training.data.synthetic.cars import BODIES, NOISE, DrawnCar, drawn_cars


def test_prices_follow_the_drawing():
    plain = DrawnCar("sedan", 0.6, 0.1, 0.0)

    assert DrawnCar("sedan", 0.8, 0.1, 0.0).price > plain.price
    assert DrawnCar("sedan", 0.6, 0.14, 0.0).price > plain.price
    assert DrawnCar("sedan", 0.6, 0.1, 1.0).price > plain.price
    assert len({DrawnCar(body, 0.6, 0.1, 0.0).price for body in BODIES}) == len(BODIES)


def test_prices_of_a_model_vary_by_the_noise():
    splits = drawn_cars(models=20, photos=20)
    for group in set(splits.train.groups):
        logs = np.log(splits.train.targets[splits.train.groups == group])
        assert logs.std() == pytest.approx(NOISE, rel=0.5)
