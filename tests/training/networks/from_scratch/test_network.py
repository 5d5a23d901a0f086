"""Whole networks: the same gradients and the same steps as torch's, and the lectures' rule among them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from training.networks.from_scratch.activations import ReLU, Tanh
from training.networks.from_scratch.convolution import Convolution, MaxPool
from training.networks.from_scratch.gradients import central_differences, relative_error
from training.networks.from_scratch.layers import Dropout, Flatten, Linear
from training.networks.from_scratch.losses import softmax_cross_entropy
from training.networks.from_scratch.network import Network
from training.networks.from_scratch.optimisers import SGD, Adam
from training.networks.from_scratch.templates import Templates

CLASSES = np.array([0, 2, 1, 2, 0])


def cnn(rng):
    return Network(
        Convolution.random(1, 3, 3, rng, padding=1), ReLU(), MaxPool(2),
        Convolution.random(3, 4, 3, rng), Tanh(), Flatten(), Linear.random(4 * 3 * 3, 3, rng),
    )  # fmt: skip


def in_torch(network):
    """The same network with the same weights."""
    twins = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 3 * 3, 3),
    ).double()  # fmt: skip
    for tensor, array in zip(twins.parameters(), network.parameters, strict=True):
        tensor.data = torch.tensor(array)
    return twins


def test_gradients_of_a_cnn_are_the_slopes_of_its_loss():
    rng = np.random.default_rng(0)
    network, x = cnn(rng), rng.normal(size=(5, 1, 10, 10))
    _, outputs = network.learn(x, CLASSES, softmax_cross_entropy)
    _, gradient = softmax_cross_entropy(outputs, CLASSES)

    def loss():
        return softmax_cross_entropy(network.forward(x), CLASSES)[0]

    assert relative_error(network.input_gradient(gradient), central_differences(loss, x)) < 1e-6
    for parameter, ours in zip(network.parameters, network.gradients, strict=True):
        assert relative_error(ours, central_differences(loss, parameter)) < 1e-6


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_torch_takes_the_same_steps(name):
    rng = np.random.default_rng(0)
    network = cnn(rng)
    twins = in_torch(network)
    ours = {"SGD": SGD, "Adam": Adam}[name](network.parameters, 0.01, l2=0.1)
    theirs = getattr(torch.optim, name)(twins.parameters(), lr=0.01, weight_decay=0.1)
    for _ in range(5):
        x = rng.normal(size=(5, 1, 10, 10))
        loss, _ = network.learn(x, CLASSES, softmax_cross_entropy)
        ours.step(network.gradients)
        theirs.zero_grad()
        expected = F.cross_entropy(twins(torch.from_numpy(x)), torch.from_numpy(CLASSES))
        expected.backward()
        theirs.step()

        assert loss == pytest.approx(expected.item(), rel=1e-9)
    for array, tensor in zip(network.parameters, twins.parameters(), strict=True):
        np.testing.assert_allclose(array, tensor.detach().numpy(), rtol=1e-7, atol=1e-9)


def test_the_lectures_rule_is_gradient_descent_on_the_cross_entropy():
    """E X^T is the negative gradient of the summed loss; no chain rule was asked."""
    rng = np.random.default_rng(0)
    x, weight, bias = rng.normal(size=(5, 7)), rng.normal(size=(3, 7)), rng.normal(size=3)
    templates, network = Templates(weight, bias), Network(Linear(weight.copy(), bias.copy()))
    sgd = SGD(network.parameters, 0.1 * len(x))
    for _ in range(3):
        loss, scores = templates.learn(x, CLASSES, 0.1)
        expected, outputs = network.learn(x, CLASSES, softmax_cross_entropy)
        sgd.step(network.gradients)

        assert loss == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(scores, outputs, rtol=1e-10)
    np.testing.assert_allclose(templates.W, np.column_stack(network.parameters), rtol=1e-10)
    np.testing.assert_allclose(templates.scores(x), network.forward(x), rtol=1e-10)


def test_dropout_drops_only_while_learning():
    rng = np.random.default_rng(0)
    network = Network(Dropout(0.5, rng), Linear.random(6, 3, rng))
    x = rng.normal(size=(5, 6))

    np.testing.assert_array_equal(network.forward(x), network.forward(x))
    assert not np.array_equal(network.learn(x, CLASSES, softmax_cross_entropy)[1], network.forward(x))
