"""Scales of numbers: standardised and back, and the numbers that an exported regressor gives on them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from training.export.calibration import Interval
from training.export.modules import Regressor
from training.fitting.result import LinearScaler, LogPriceScaler
from training.networks.architectures import Network

SCALERS = [LogPriceScaler, LinearScaler]
MIN_STD = 1e-6

NUMBERS = st.lists(st.floats(1e-3, 1e7), min_size=1, max_size=30).map(np.array)


@given(numbers=NUMBERS)
def test_logarithms_and_back(numbers):
    scaler = LogPriceScaler.of(numbers)
    again = scaler.unscaled(scaler.standardise(numbers) * scaler.std + scaler.mean).numpy()

    # float32 holds a logarithm of up to 16 to a millionth.
    np.testing.assert_allclose(again, numbers, rtol=1e-5)


@given(numbers=NUMBERS)
def test_numbers_as_they_are_and_back(numbers):
    scaler = LinearScaler.of(numbers)
    again = scaler.unscaled(scaler.standardise(numbers) * scaler.std + scaler.mean).numpy()

    # An error weighs the same wherever it is made.
    np.testing.assert_allclose(again, numbers, rtol=0, atol=1e-6 * numbers.max())


@pytest.mark.parametrize("make", SCALERS)
@given(numbers=NUMBERS)
def test_training_numbers_have_mean_0_and_deviation_1(make, numbers):
    scaler = make.of(numbers)
    standardised = scaler.standardise(numbers)

    assert standardised.dtype == torch.float32
    assert scaler.std >= MIN_STD
    # Rounding of a sum, relative to the deviation that it is divided by.
    rounding = 1e-5 + 1e-14 * max(abs(scaler.mean), 1) / scaler.std
    assert float(standardised.mean()) == pytest.approx(0, abs=rounding)
    if scaler.std > 2 * MIN_STD:
        assert float(standardised.std(correction=0)) == pytest.approx(1, abs=rounding)


@pytest.mark.parametrize("make", SCALERS)
def test_numbers_that_are_all_the_same_stay_what_they_are(make):
    scaler = make.of(np.full(5, 37.5))

    assert scaler.std == MIN_STD
    assert (scaler.standardise(np.full(2, 37.5)) == 0).all()
    assert float(scaler.unscaled(torch.tensor([scaler.mean]))) == pytest.approx(37.5)


def test_a_price_twice_as_high_is_as_far_whatever_the_price():
    scaler = LogPriceScaler.of(np.array([1000.0, 2000.0, 50000.0, 100000.0]))
    one, two, three, four = scaler.standardise(np.array([1000.0, 2000.0, 50000.0, 100000.0])).tolist()

    assert two - one == pytest.approx(four - three, abs=1e-5)


def test_a_number_ten_higher_is_as_far_whatever_the_number():
    scaler = LinearScaler.of(np.array([10.0, 20.0, 500.0, 510.0]))
    one, two, three, four = scaler.standardise(np.array([10.0, 20.0, 500.0, 510.0])).tolist()

    assert two - one == pytest.approx(four - three, abs=1e-5)


@given(numbers=NUMBERS, predicted=st.lists(st.floats(-1e9, 1e9, width=32), min_size=1, max_size=9))
def test_linear_numbers_are_no_lower_than_half_the_lowest_of_training(numbers, predicted):
    scaler = LinearScaler.of(numbers)
    values = torch.tensor(predicted)
    unscaled = scaler.unscaled(values)

    assert scaler.floor == numbers.min() / 2
    assert (unscaled > 0).all()
    low = values < scaler.floor
    assert torch.equal(unscaled[~low], values[~low])
    assert unscaled[low].numpy() == pytest.approx(scaler.floor, rel=1e-6)


class Constant(nn.Module):
    """The same familiarity for every picture."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.full((len(features),), 0.25)


def regressor(scaler: LogPriceScaler | LinearScaler, interval: Interval, steepness: float) -> Regressor:
    """Of pictures of one grey pixel: the score is steepness * (grey - 1/2)."""
    head = nn.Linear(1, 1)
    with torch.no_grad():
        head.weight.fill_(steepness)
        head.bias.fill_(-steepness / 2)
    return Regressor(Network(nn.Flatten(), head, (0.0,), (1.0,)), scaler, interval, Constant()).eval()


GREYS = torch.arange(256, dtype=torch.uint8).view(-1, 1, 1, 1)


@pytest.mark.parametrize("make", SCALERS)
@given(
    numbers=NUMBERS,
    # Three times further, prices that span ten decades leave the range of float32.
    low=st.floats(-1, 0),
    high=st.floats(0, 1),
    slope=st.floats(-0.5, 0.5),
    steepness=st.floats(-4, 4),
)
@torch.no_grad()
def test_a_regressor_gives_low_value_high_in_this_order_and_above_0(
    make, numbers, low, high, slope, steepness
):
    scaler = make.of(numbers)
    interval = Interval(low * scaler.std, high * scaler.std, slope, (-2.0, 2.0))
    value, lowest, highest, familiar = regressor(scaler, interval, steepness)(GREYS)

    assert (lowest > 0).all()
    assert (lowest <= value).all()
    assert (value <= highest).all()
    assert (familiar == 0.25).all()


@pytest.mark.parametrize(
    ("scaler", "expected"),
    [
        (LogPriceScaler(5.0, 0.5), lambda scaled: np.exp(scaled)),
        (LinearScaler(5.0, 0.5, 4.6), lambda scaled: np.maximum(scaled, 4.6)),
    ],
    ids=["log", "linear"],
)
@torch.no_grad()
def test_a_regressors_numbers_by_hand(scaler, expected):
    interval = Interval(-0.2, 0.3, 0.5, (-1.0, 1.0))
    scores = 4 * (np.arange(256) / 255 - 0.5)
    spread = np.exp(0.5 * scores.clip(-1, 1))

    value, low, high, _ = regressor(scaler, interval, 4.0)(GREYS)

    scaled = 5 + 0.5 * scores
    np.testing.assert_allclose(value.numpy(), expected(scaled), rtol=1e-5)
    np.testing.assert_allclose(low.numpy(), expected(scaled - 0.2 * spread), rtol=1e-5)
    np.testing.assert_allclose(high.numpy(), expected(scaled + 0.3 * spread), rtol=1e-5)
