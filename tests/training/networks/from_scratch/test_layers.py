"""Every layer: its gradients against central differences and torch's autograd, in either precision."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from training.networks.from_scratch.activations import (
    ELU,
    LeakyReLU,
    Maxout,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)
from training.networks.from_scratch.convolution import Convolution, MaxPool
from training.networks.from_scratch.gradients import check_layer
from training.networks.from_scratch.layers import Dropout, Flatten, Linear

SMALL_ERROR = 1e-6
"""Of a gradient against central differences in float64, relative to its length."""

ELEMENTWISE = {
    "relu": (ReLU, F.relu),
    "leaky relu": (LeakyReLU, lambda x: F.leaky_relu(x, 0.01)),
    "elu": (ELU, F.elu),
    "sigmoid": (Sigmoid, torch.sigmoid),
    "tanh": (Tanh, torch.tanh),
}
ROWS = {
    "softmax": (Softmax, lambda x: F.softmax(x, dim=1)),
    "maxout": (lambda: Maxout(3), lambda x: x.reshape(len(x), -1, 3).amax(dim=2)),
}

seeds = st.integers(0, 2**32 - 1)
few = st.integers(1, 5)


def apart(rng, *shape):
    """float64 of that shape, none near another or 0: kinks are further away than a step."""
    count = int(np.prod(shape))
    return rng.permutation(np.linspace(-2, 2, count + 1 - count % 2)[: count // 2].tolist()
                           + np.linspace(0.1, 2.1, count - count // 2).tolist()).reshape(shape)  # fmt: skip


def assert_torch_agrees(layer, x, function, *parameters):
    """The outputs and all gradients of `function(x, *parameters)`."""
    tensors = [torch.tensor(array, requires_grad=True) for array in (x, *parameters)]
    expected = function(*tensors)
    outputs = layer.forward(x)
    gradient = np.random.default_rng(1).normal(size=outputs.shape)
    expected.backward(torch.from_numpy(gradient))

    np.testing.assert_allclose(outputs, expected.detach().numpy(), rtol=1e-10, atol=1e-10)
    gradients = [layer.input_gradient(gradient), *layer.parameter_gradients(gradient)]
    for ours, tensor in zip(gradients, tensors, strict=True):
        np.testing.assert_allclose(ours, tensor.grad.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ELEMENTWISE)
@settings(max_examples=30, deadline=None)
@given(seed=seeds, shape=st.lists(few, min_size=1, max_size=4))
def test_activations_of_any_shape(name, seed, shape):
    make, function = ELEMENTWISE[name]
    rng = np.random.default_rng(seed)
    x = apart(rng, *shape)

    assert max(check_layer(make(), x, rng).values()) < SMALL_ERROR
    assert_torch_agrees(make(), x, function)


@pytest.mark.parametrize("name", ROWS)
@settings(max_examples=30, deadline=None)
@given(seed=seeds, count=few, units=few)
def test_activations_of_rows(name, seed, count, units):
    make, function = ROWS[name]
    rng = np.random.default_rng(seed)
    # Two scores at least: the softmax of one is 1 whatever it is, and its gradient all rounding.
    x = apart(rng, count, 3 * units)

    assert max(check_layer(make(), x, rng).values()) < SMALL_ERROR
    assert_torch_agrees(make(), x, function)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, count=few, inputs=few, outputs=few)
def test_linear(seed, count, inputs, outputs):
    rng = np.random.default_rng(seed)
    x, layer = rng.normal(size=(count, inputs)), Linear.random(inputs, outputs, rng)

    assert max(check_layer(layer, x, rng).values()) < SMALL_ERROR
    assert_torch_agrees(layer, x, F.linear, *layer.parameters)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, counts=st.tuples(few, few, few), side=st.integers(1, 3), height=st.integers(3, 6),
       width=st.integers(3, 6), padding=st.integers(0, 2))  # fmt: skip
def test_convolution(seed, counts, side, height, width, padding):
    rng = np.random.default_rng(seed)
    count, channels, outputs = counts
    x = rng.normal(size=(count, channels, height, width))
    layer = Convolution.random(channels, outputs, side, rng, padding=padding)

    assert max(check_layer(layer, x, rng).values()) < SMALL_ERROR
    assert_torch_agrees(layer, x, lambda *args: F.conv2d(*args, padding=padding), *layer.parameters)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, count=few, side=st.integers(1, 3), height=st.integers(3, 7), width=st.integers(3, 7))
def test_max_pooling(seed, count, side, height, width):
    rng = np.random.default_rng(seed)
    x = apart(rng, count, 2, height, width)

    assert max(check_layer(MaxPool(side), x, rng).values()) < SMALL_ERROR
    assert_torch_agrees(MaxPool(side), x, lambda x: F.max_pool2d(x, side))


def test_equal_pixels_give_the_gradient_to_the_first_as_in_torch():
    assert_torch_agrees(MaxPool(2), np.ones((2, 3, 4, 4)), lambda x: F.max_pool2d(x, 2))


def test_flatten_keeps_the_order():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))

    assert_torch_agrees(Flatten(), x, lambda x: x.flatten(1))


def test_dropout_drops_its_rate_keeps_the_mean_and_stops_gradients_where_it_drops():
    layer = Dropout(0.3, np.random.default_rng(0))
    layer.training = True
    x = np.ones((200, 500))
    y = layer.forward(x)

    assert (y == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert y.mean() == pytest.approx(1, abs=0.01)
    np.testing.assert_array_equal(layer.input_gradient(x), y)
    layer.training = False
    np.testing.assert_array_equal(layer.forward(x), x)
    np.testing.assert_array_equal(layer.input_gradient(x), x)


def test_gradient_of_dropout_is_the_slope_of_its_mask():
    class SameMask(np.random.Generator):
        """Draws the same mask at each call, as central differences need it."""

        def random(self, size, dtype):
            return np.random.default_rng(0).random(size, dtype)

    layer = Dropout(0.4, SameMask(np.random.PCG64(0)))
    layer.training = True
    rng = np.random.default_rng(1)

    assert max(check_layer(layer, rng.normal(size=(4, 9)), rng).values()) < SMALL_ERROR


@pytest.mark.parametrize("layer", [
    ReLU(), LeakyReLU(), ELU(), Sigmoid(), Tanh(), Maxout(2), Softmax(), Flatten(), MaxPool(2),
    Dropout(0.5, np.random.default_rng(0)), Linear.random(8, 4, np.random.default_rng(0), np.float32),
    Convolution.random(2, 3, 3, np.random.default_rng(0), np.float32, padding=1),
], ids=lambda layer: type(layer).__name__)  # fmt: skip
def test_single_precision_stays_single(layer):
    shape = (2, 2, 4, 4) if isinstance(layer, (Convolution, MaxPool, Flatten)) else (2, 8)
    layer.training = True
    y = layer.forward(np.random.default_rng(0).random(shape, np.float32))

    arrays = [y, layer.input_gradient(y), *layer.parameter_gradients(y)]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    "layer", [Sigmoid(), Softmax(), ELU(), Tanh()], ids=lambda layer: type(layer).__name__
)
def test_scores_of_any_size_do_not_overflow(layer):
    """Warnings are errors here, NumPy's too."""
    y = layer.forward(np.array([[-1e4, 0, 1e4]]))

    assert np.isfinite(y).all()
    assert np.isfinite(layer.input_gradient(y)).all()
