"""The exported module against the network it was made of."""

import onnx
import pytest
import torch
from torch import nn

from models.model import ZOO
from tests.training.conftest import LINEAR
from training.export.familiarity import Familiarity
from training.export.modules import Classifier
from training.networks import architectures
from training.networks.architectures import Network, to_float

pytestmark = pytest.mark.slow


def random_network(make) -> Network:
    torch.manual_seed(0)
    network = make().eval()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
    return network


@pytest.mark.parametrize("make", [architectures.digits_small_cnn, architectures.digits_cnn, LINEAR.network])
@torch.no_grad()
def test_a_classifier_answers_as_its_network_divided_by_the_temperature(make):
    network = random_network(make)
    pixels = torch.randint(0, 256, (40, 28, 28, 1), dtype=torch.uint8)
    before = [value.clone() for value in network.state_dict().values()]
    features = network.features(to_float(pixels))
    familiarity = Familiarity(features, features + 1, steps=5)
    probabilities, familiar = Classifier(network, 1.7, familiarity).eval()(pixels)

    assert torch.allclose(probabilities, (network.scores(features) / 1.7).softmax(1), atol=1e-5)
    assert torch.allclose(familiar, familiarity(features), atol=1e-4)
    assert all(torch.equal(*pair) for pair in zip(before, network.state_dict().values(), strict=True))


def test_constants_of_digits_cnn_are_folded():
    """In a batch of one each small operation costs as much as a tenth of a convolution."""
    operations = [node.op_type for node in onnx.load(ZOO / "digits-cnn.onnx").graph.node]

    assert operations[:4] == ["Transpose", "Cast", "Conv", "Relu"]
    assert "BatchNormalization" not in operations
    assert not {"Sub", "Div"} & set(operations)
