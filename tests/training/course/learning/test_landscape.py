"""The claim of the lab `landscape`: skip connections make the loss surface smooth; and its mathematics."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from training.course.learning import landscape
from training.course.page import Page
from training.course.workbench import Workbench
from training.data.splits import Splits


@pytest.fixture(scope="module")
def page(mnist: Splits, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return landscape.run(Workbench(tmp_path_factory.mktemp("landscape") / "lab", data, small=True))


@pytest.mark.slow
def test_skips_make_a_deep_network_learn_in_one_basin(page: Page) -> None:
    values = page.values
    assert values["loss_with"] < 0.9 * values["loss_without"]
    # The coarse plane of a small run can miss the other network's minima: those are counted in a full one.
    assert values["minima_with"] == 1


def test_directions_have_the_length_of_the_filters_they_move() -> None:
    network = landscape.cnn(1, skip=True)
    direction = landscape.filter_normalised_direction(network, seed=1)
    for weights, part in zip(network.parameters(), direction, strict=True):
        if weights.ndim > 1:
            lengths, filters = part.flatten(1).norm(dim=1), weights.detach().flatten(1).norm(dim=1)
            assert torch.allclose(lengths, filters, rtol=1e-4)
        else:
            assert not part.any()


def test_both_kinds_start_from_the_same_weights() -> None:
    pairs = zip(landscape.cnn(2, True).parameters(), landscape.cnn(2, False).parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_looking_around_leaves_the_network_as_it_was() -> None:
    network = landscape.cnn(1, skip=True).eval()
    before = [weights.detach().clone() for weights in network.parameters()]
    x, y = torch.rand(8, 1, 28, 28), torch.arange(8)
    directions = [landscape.filter_normalised_direction(network, seed) for seed in (1, 2)]
    surface = landscape.loss_surface(network, x, y, directions, points=3)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), before, strict=True))
    assert surface[1, 1] == pytest.approx(float(nn.functional.cross_entropy(network(x), y).detach()))


def test_power_iteration_finds_both_ends_of_the_hessian() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))
    x, y = 2 * torch.randn(30, 3), torch.randint(0, 3, (30,))
    names, weights = zip(*network.named_parameters(), strict=True)

    def loss(*values: torch.Tensor) -> torch.Tensor:
        scores = torch.func.functional_call(network, dict(zip(names, values, strict=True)), (x,))
        return nn.functional.cross_entropy(scores, y)

    blocks = torch.autograd.functional.hessian(loss, tuple(weights))
    rows = [
        torch.cat([block.reshape(a.numel(), b.numel()) for block, b in zip(row, weights, strict=True)], dim=1)
        for row, a in zip(blocks, weights, strict=True)
    ]
    eigenvalues = torch.linalg.eigvalsh(torch.cat(rows))
    high, low = landscape.curvatures(network, x, y, iterations=500)
    assert high == pytest.approx(float(eigenvalues[-1]), rel=1e-2)
    assert low == pytest.approx(float(eigenvalues[0]), rel=5e-2)


def test_minima_are_counted() -> None:
    surface = np.array([[0.0, 2, 3, 1], [2, 2, 3, 4], [3, 3, 3, 3], [3, 3, 3, 2.5]])
    assert landscape.Landscape(surface, [(1.0, -0.5)]).minima == 3
    assert landscape.Landscape(surface, [(1.0, -0.5)]).ratios == [0.5]
