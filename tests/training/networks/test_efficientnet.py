"""EfficientNet-Lite2: the published weights, in a graph that may be served."""

import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from models.onnx_file.scan import scan_metadata
from training.networks import efficientnet

FEATURES_0_TO_2400_BY_160 = [
    0.0, 0.0, 0.466790, 0.0, 1.376371, 0.0, 3.797165, 2.783891,
    0.0, 0.0, 1.320320, 0.0, 2.771781, 0.0, 6.0, 6.0,
]  # fmt: skip
"""Of PICTURE, by our own blocks that timm's replaced on 2026-11-21; all features were equal."""


@pytest.fixture(scope="module")
def parts():
    trunk, tail = efficientnet.efficientnet_lite2()
    return trunk.eval(), tail.eval()


def waves():
    """float32 (1, 3, 70, 97): odd sides, so `SAME` padding differs between sides."""
    channel, row, column = torch.meshgrid(*(torch.arange(float(n)) for n in (3, 70, 97)), indexing="ij")
    return torch.sin((row + 2 * column + 50 * channel) / 20)[None]


@torch.no_grad()
def test_features_are_those_of_the_published_network(parts):
    trunk, tail = parts
    maps = trunk(waves())
    features = tail(maps)

    assert maps.shape == (1, 120, 5, 7)
    assert features.shape == (1, efficientnet.FEATURES)
    np.testing.assert_allclose(features[0, ::160], FEATURES_0_TO_2400_BY_160, atol=1e-4)


def test_batch_norm_has_the_constants_of_the_weights(parts):
    norms = [module for part in parts for module in part.modules() if isinstance(module, nn.BatchNorm2d)]

    assert len(norms) == 1 + 2 + 20 * 3 + 1
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 1e-2)}


def test_the_trunk_is_15_blocks(parts):
    trunk, tail = parts

    assert sum(map(len, trunk.stages)) == 15
    assert sum(map(len, tail.stages)) == 6


@pytest.mark.slow
def test_exported_graph_predicts_like_torch(parts):
    """At the size of cars-transfer, with a free batch, and past the serving scan."""
    network = nn.Sequential(*parts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            network, (torch.zeros(2, 3, 208, 256),), dynamo=True, verbose=False, input_names=["pictures"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )  # fmt: skip
    data = program.model_proto.SerializeToString()
    scan_metadata(data)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    for count in (1, 3):
        pictures = torch.randn(count, 3, 208, 256, generator=torch.Generator().manual_seed(count))
        with torch.no_grad():
            expected = network(pictures).numpy()
        (features,) = session.run(None, {"pictures": pictures.numpy()})
        np.testing.assert_allclose(features, expected, atol=1e-4)
