"""The gallery of a test split: the worst answers first, pictures only where their licence allows it."""

import numpy as np
import pytest

from models.model import ZOO, open_model
from training.data.splits import Examples
from training.evaluation.gallery import answers_with_gallery

DIGITS = open_model(ZOO / "digits-linear.onnx").card
CARS = open_model(ZOO / "cars-mlp.onnx").card


def test_the_worst_class_is_that_whose_true_one_got_least():
    true_class = np.array([3, 5, 7, 0])
    probability = np.array([0.9, 0.05, 0.4, 0.2])
    probabilities = np.full((4, 10), 0.0, np.float32)
    probabilities[:, 9] = 1 - probability
    probabilities[np.arange(4), true_class] = probability
    test = Examples(np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1), true_class)
    answers = answers_with_gallery(DIGITS, test, {"probabilities": probabilities}, count=2)

    assert [exhibit.pixels.item() for exhibit in answers.gallery] == [1, 3]
    assert [(exhibit.actual, exhibit.predicted) for exhibit in answers.gallery] == [("5", "9"), ("0", "9")]
    assert [exhibit.absolute_error for exhibit in answers.gallery] == pytest.approx([0.95, 0.8])
    assert answers.confusion[3, 3] == 1
    assert answers.confusion[:, 9].sum() == 3


def test_the_worst_price_is_that_which_is_off_by_the_largest_factor():
    """Half of a cheap car's price is worse than a tenth of a dear one's, though fewer dollars."""
    test = Examples(np.zeros((3, 2, 2, 3), np.uint8), np.array([100_000.0, 10_000, 50_000]))
    outputs = {"value": np.array([90_000, 5_000, 50_000], np.float32)}
    answers = answers_with_gallery(CARS, test, outputs, data="drawn-cars")

    assert [exhibit.actual for exhibit in answers.gallery] == [10_000, 100_000, 50_000]
    assert [exhibit.absolute_error for exhibit in answers.gallery] == [5_000, 10_000, 0]
    assert len(answers.labels) == 0


def test_photos_of_cars_are_not_shown():
    test = Examples(np.zeros((1, 2, 2, 3), np.uint8), np.array([100.0]))
    outputs = {"value": np.array([90], np.float32)}

    assert CARS.training.name == "cars"
    assert answers_with_gallery(CARS, test, outputs).gallery[0].pixels is None
    assert answers_with_gallery(CARS, test, outputs, data="drawn-cars").gallery[0].pixels is not None
