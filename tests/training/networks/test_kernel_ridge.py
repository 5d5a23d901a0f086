"""Ridge regression in a kernel: the exact solution, and 0 far from all pictures."""

import numpy as np
import pytest
import torch
from torch.nn.functional import pad

from training.networks.kernel_ridge import KernelRidge

FEATURES = 8


def examples(count=400, seed=0):
    """Features, and targets that are no linear function of them."""
    generator = torch.Generator().manual_seed(seed)
    features = 3 + 2 * torch.randn(count, FEATURES, generator=generator)
    targets = torch.sin(features[:, 0]) + 0.3 * (features[:, 1] - 3).abs()
    return features, targets


def weights(count, seed=1):
    return torch.rand(count, generator=torch.Generator().manual_seed(seed)) + 0.5


def fitted(features, targets, sample_weight=None, landmarks=1000, ridge=1.0):
    kernel = KernelRidge(features.shape[1], landmarks)
    sample_weight = torch.ones(len(features)) if sample_weight is None else sample_weight
    kernel.fit(features, targets, sample_weight, ridge)
    return kernel


def scaled(features, by):
    """As the kernel scales `features` once it is fitted on `by`."""
    centred = by - by.mean(0)
    return ((features - by.mean(0)) / centred.square().sum(1).mean().sqrt()).double()


def test_with_all_pictures_as_landmarks_it_is_kernel_ridge_regression():
    features, targets = examples()
    sample_weight = weights(len(features))
    kernel = fitted(features, targets, sample_weight, landmarks=len(features), ridge=0.7)

    x = scaled(features, features)
    gram = torch.exp(-torch.cdist(x, x).square())
    penalty = 0.7 * torch.diag(1 / sample_weight.double())
    exact = gram @ torch.linalg.solve(gram + penalty, targets.double())
    np.testing.assert_allclose(kernel(features)[:, 0].numpy(), exact.numpy(), atol=1e-3)


@pytest.mark.parametrize(("count", "landmarks", "ridge"), [(4000, 300, 0.1), (400, 1000, 1.0), (900, 300, 5)])
def test_with_few_landmarks_the_weights_solve_the_normal_equations(count, landmarks, ridge):
    """(K'WK + ridge K_L) a = K'Wy, in float64."""
    features, targets = examples(count)
    sample_weight = weights(count)
    kernel = fitted(features, targets, sample_weight, landmarks, ridge)
    used = min(count, landmarks)

    x, z = scaled(features, features), kernel.landmarks[:used].double()
    gram = torch.exp(-torch.cdist(x, z).square())
    weighted = gram.T * sample_weight.double()
    normal = weighted @ gram + ridge * torch.exp(-torch.cdist(z, z).square()) + 1e-6 * torch.eye(used)
    exact = gram @ torch.linalg.solve(normal, weighted @ targets.double())
    np.testing.assert_allclose(kernel(features)[:, 0].numpy(), exact.numpy(), atol=1e-4)
    assert not kernel.weights[used:].any()


def test_landmarks_are_the_same_training_pictures_each_time():
    features, targets = examples()
    once, again = (fitted(features, targets, landmarks=50) for _ in range(2))
    nearest = torch.cdist(once.landmarks.double(), scaled(features, features)).min(dim=1)

    assert torch.equal(once.landmarks, again.landmarks)
    assert torch.equal(once.weights, again.weights)
    assert nearest.values.max() < 1e-5
    assert len(set(nearest.indices.tolist())) == 50


def test_few_landmarks_learn_what_a_line_cannot():
    features, targets = examples(2000)
    fresh, truth = examples(500, seed=2)
    kernel = fitted(features, targets, landmarks=300, ridge=0.1)
    line = torch.linalg.lstsq(pad(features, (0, 1), value=1.0), targets[:, None]).solution
    by_line = pad(fresh, (0, 1), value=1.0) @ line

    error = (kernel(fresh)[:, 0] - truth).square().mean()
    assert error < 0.5 * (by_line[:, 0] - truth).square().mean()


def test_far_from_all_training_pictures_it_predicts_0():
    features, targets = examples()
    assert (KernelRidge(FEATURES)(features) == 0).all()
    kernel = fitted(features, targets)

    assert kernel(torch.full((1, FEATURES), 1e3)).abs() < 1e-6
    assert kernel(features).abs().max() > 0.5


def test_pictures_of_weight_0_are_not_learned_from():
    features, targets = examples()
    sample_weight = torch.ones(len(features))
    sample_weight[::2] = 0
    corrupted = torch.where(sample_weight == 0, 1e3, targets)

    assert torch.equal(*(fitted(features, t, sample_weight)(features) for t in (targets, corrupted)))


@pytest.mark.parametrize(
    "features", [torch.ones(40, FEATURES), examples(10)[0].repeat(4, 1)], ids=["same", "4x"]
)
def test_pictures_that_are_alike_are_learned_from(features):
    kernel = fitted(features, torch.ones(len(features)), landmarks=30)

    assert kernel.weights.isfinite().all()
    assert kernel(features).min() > 0.5
