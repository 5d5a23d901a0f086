"""Hand-written gradients are the oracle of torch, finite differences are theirs."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from training.networks import architectures
from training.networks.from_scratch import Linear, ReLU, backward, cross_entropy, descend, forward, l1

RNG = np.random.default_rng(0)
TOLERANCE = 1e-10


def numpy_layers(*linears: torch.nn.Linear) -> list:
    """The same weights as NumPy layers, with ReLU between them."""
    layers: list = []
    for linear in linears:
        layers += [ReLU()] if layers else []
        layers.append(Linear(linear.weight.detach().numpy().copy(), linear.bias.detach().numpy().copy()))
    return layers


@pytest.mark.parametrize("hidden", [0, 12], ids=["linear", "mlp"])
def test_torch_takes_the_same_step(hidden):
    pictures = RNG.random((16, 1, 28, 28))
    classes = RNG.integers(0, 10, 16)
    network = architectures.digits_mlp(hidden) if hidden else architectures.digits_linear()
    network = network.double().eval()
    linears = [module for module in network.modules() if isinstance(module, torch.nn.Linear)]
    layers = numpy_layers(*linears)

    inputs = (pictures.reshape(16, -1) - architectures.MNIST_MEAN[0]) / architectures.MNIST_STD[0]
    loss, gradient = cross_entropy(forward(layers, inputs), classes)
    backward(layers, gradient)
    descend(layers, 0.1)

    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    torch_loss = F.cross_entropy(network(torch.from_numpy(pictures)), torch.from_numpy(classes))
    torch_loss.backward()
    optimizer.step()

    # The networks keep mean and std in float32: seven digits instead of sixteen.
    assert float(torch_loss.detach()) == pytest.approx(loss, rel=1e-6)
    for linear, layer in zip(linears, [layer for layer in layers if layer.parameters], strict=True):
        np.testing.assert_allclose(linear.weight.detach().numpy(), layer.parameters[0], atol=1e-6)
        np.testing.assert_allclose(linear.bias.detach().numpy(), layer.parameters[1], atol=1e-6)


def test_gradients_are_the_slopes_of_the_loss():
    """Against finite differences."""
    layers = [Linear(RNG.normal(size=(5, 7)), RNG.normal(size=5)), ReLU(),
              Linear(RNG.normal(size=(3, 5)), RNG.normal(size=3))]  # fmt: skip
    x, classes = RNG.normal(size=(9, 7)), RNG.integers(0, 3, 9)
    _, gradient = cross_entropy(forward(layers, x), classes)
    backward(layers, gradient)
    weight, slope = layers[0].parameters[0], layers[0].gradients[0]
    for index in [(0, 0), (2, 3), (4, 6)]:
        losses = []
        for step in (1e-5, -1e-5):
            weight[index] += step
            losses.append(cross_entropy(forward(layers, x), classes)[0])
            weight[index] -= step

        assert (losses[0] - losses[1]) / 2e-5 == pytest.approx(slope[index], abs=1e-7)


def test_l1_is_that_of_torch():
    values, targets = RNG.normal(size=20), RNG.normal(size=20)
    tensor = torch.tensor(values, requires_grad=True)
    F.l1_loss(tensor, torch.tensor(targets)).backward()
    loss, gradient = l1(values, targets)

    assert loss == pytest.approx(np.abs(values - targets).mean(), abs=TOLERANCE)
    np.testing.assert_allclose(tensor.grad.numpy(), gradient, atol=TOLERANCE)
