"""Every loss against central differences and torch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from training.networks.from_scratch import losses
from training.networks.from_scratch.activations import Softmax
from training.networks.from_scratch.gradients import check_loss

SMALL_ERROR = 1e-6
seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(2, 6)


def assert_torch_agrees(loss, values, targets, function):
    tensor = torch.tensor(values, requires_grad=True)
    expected = function(tensor, torch.from_numpy(targets))
    expected.backward()
    value, gradient = loss(values, targets)

    assert value == pytest.approx(expected.item(), rel=1e-10)
    np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-9, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, count=sizes, classes=sizes)
def test_softmax_cross_entropy(seed, count, classes):
    rng = np.random.default_rng(seed)
    scores, targets = rng.normal(size=(count, classes)), rng.integers(0, classes, count)

    assert check_loss(losses.softmax_cross_entropy, scores, targets) < SMALL_ERROR
    assert_torch_agrees(losses.softmax_cross_entropy, scores, targets, F.cross_entropy)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, count=sizes, classes=sizes)
def test_negative_log_likelihood(seed, count, classes):
    rng = np.random.default_rng(seed)
    probabilities, targets = rng.uniform(0.1, 1, (count, classes)), rng.integers(0, classes, count)

    assert check_loss(losses.negative_log_likelihood, probabilities, targets) < SMALL_ERROR
    assert_torch_agrees(
        losses.negative_log_likelihood, probabilities, targets, lambda p, t: F.nll_loss(p.log(), t)
    )


@settings(max_examples=30, deadline=None)
@given(seed=seeds, count=sizes, classes=sizes)
def test_softmax_then_likelihood_is_the_cross_entropy(seed, count, classes):
    """By the chain rule through the softmax's Jacobian, and at once."""
    rng = np.random.default_rng(seed)
    scores, targets = rng.normal(size=(count, classes)), rng.integers(0, classes, count)
    layer = Softmax()
    value, gradient = losses.negative_log_likelihood(layer.forward(scores), targets)
    expected, at_once = losses.softmax_cross_entropy(scores, targets)

    assert value == pytest.approx(expected, rel=1e-10)
    np.testing.assert_allclose(layer.input_gradient(gradient), at_once, rtol=1e-9, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, count=sizes, outputs=sizes)
def test_binary_cross_entropy(seed, count, outputs):
    rng = np.random.default_rng(seed)
    scores, targets = rng.normal(size=(count, outputs)), rng.random((count, outputs))

    assert check_loss(losses.binary_cross_entropy, scores, targets) < SMALL_ERROR
    assert_torch_agrees(losses.binary_cross_entropy, scores, targets, F.binary_cross_entropy_with_logits)


@pytest.mark.parametrize(
    ("loss", "function"),
    [(losses.squared_error, F.mse_loss), (losses.absolute_error, F.l1_loss)],
    ids=["squared", "absolute"],
)
@settings(max_examples=30, deadline=None)
@given(seed=seeds, shape=st.lists(sizes, min_size=1, max_size=3))
def test_errors(loss, function, seed, shape):
    rng = np.random.default_rng(seed)
    targets = rng.normal(size=shape)
    # No error is within a step of 0, where the absolute error has a kink.
    values = targets + rng.choice([-1, 1], shape) * rng.uniform(0.1, 1, shape)

    assert check_loss(loss, values, targets) < SMALL_ERROR
    assert_torch_agrees(loss, values, targets, function)


def test_certain_answers_do_not_overflow():
    scores = np.array([[1e4, -1e4], [-1e4, 1e4]])

    assert losses.softmax_cross_entropy(scores, np.array([1, 1]))[0] == pytest.approx(1e4)
    assert losses.binary_cross_entropy(scores, np.zeros((2, 2)))[0] == pytest.approx(5e3)


def test_a_wrong_gradient_is_found():
    """The check itself can fail: here the gradient is that of the sum instead of the mean."""

    def wrong(values, targets):
        value, gradient = losses.squared_error(values, targets)
        return value, gradient * values.size

    rng = np.random.default_rng(0)

    assert check_loss(wrong, rng.normal(size=5), rng.normal(size=5)) > 0.1
