"""Ridge regression in a kernel: close to the exact solution, and sober where nothing is known."""

import numpy as np
import torch

from training.networks.kernel_ridge import KernelRidge

FEATURES = 8


def known(count=400, seed=0):
    """Features, and answers that are no linear function of them."""
    generator = torch.Generator().manual_seed(seed)
    features = 3 + 2 * torch.randn(count, FEATURES, generator=generator)
    answers = torch.sin(features[:, 0]) + 0.3 * (features[:, 1] - 3).abs()
    return features, answers


def test_with_every_picture_a_landmark_it_is_kernel_ridge_regression():
    features, answers = known()
    importance = torch.rand(len(features), generator=torch.Generator().manual_seed(1)) + 0.5
    kernel = KernelRidge(FEATURES, landmarks=len(features))
    kernel.fit(features, answers, importance, ridge=0.7)

    x = ((features - features.mean(0)) / (features - features.mean(0)).square().sum(1).mean().sqrt()).double()
    gram = torch.exp(-torch.cdist(x, x).square())
    exact = gram @ torch.linalg.solve(gram + 0.7 * torch.diag(1 / importance.double()), answers.double())
    np.testing.assert_allclose(kernel(features)[:, 0].numpy(), exact.numpy(), atol=1e-3)


def test_few_landmarks_learn_what_a_line_cannot():
    features, answers = known(4000)
    fresh, truth = known(500, seed=2)
    kernel = KernelRidge(FEATURES, landmarks=300)
    kernel.fit(features, answers, torch.ones(len(features)), ridge=0.1)
    line = torch.linalg.lstsq(torch.nn.functional.pad(features, (0, 1), value=1.0), answers[:, None]).solution
    straight = torch.nn.functional.pad(fresh, (0, 1), value=1.0) @ line

    missed = (kernel(fresh)[:, 0] - truth).square().mean()
    assert missed < 0.5 * (straight[:, 0] - truth).square().mean()


def test_far_from_everything_known_it_says_nothing():
    features, answers = known()
    kernel = KernelRidge(FEATURES)
    assert (kernel(features) == 0).all()
    kernel.fit(features, answers, torch.ones(len(features)))

    assert kernel(torch.full((1, FEATURES), 1e3)).abs() < 1e-6
    assert kernel(features).abs().max() > 0.5


def test_what_weighs_nothing_is_not_learned_from():
    features, answers = known()
    importance = torch.ones(len(features))
    importance[::2] = 0
    told = []
    for elsewhere in (answers, torch.where(importance == 0, 1e3, answers)):
        kernel = KernelRidge(FEATURES)
        kernel.fit(features, elsewhere, importance)
        told.append(kernel(features))

    assert torch.equal(*told)
