"""Heads against scikit-learn's solvers of the same problems."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from training.fitting.heads import Standardise, fit_ridge, fit_softmax

N, F, CLASSES = 300, 40, 4


@pytest.fixture(scope="module")
def examples():
    """Features of uneven scales, some of them constant; classes and numbers that follow from them."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(N, F)) * rng.uniform(0.1, 30, F) + rng.normal(size=F)
    features[:, :3] = 5.0
    scores = StandardScaler().fit_transform(features) @ rng.normal(size=(F, CLASSES)) / 6
    classes = (scores + rng.gumbel(size=scores.shape)).argmax(1)
    numbers = scores[:, 0] + 0.3 * rng.normal(size=N)
    weights = rng.uniform(0.2, 3.0, N)
    return tuple(torch.from_numpy(values) for values in (
        features.astype(np.float32), classes, numbers.astype(np.float32), weights.astype(np.float32)
    ))  # fmt: skip


@pytest.mark.parametrize("weighted", [False, True])
def test_softmax_is_that_of_scikit_learn(examples, weighted):
    features, classes, _, weights = examples
    weights = weights if weighted else torch.ones(N)
    x = Standardise(features)(features).numpy()
    for penalty, head in zip((0.1, 0.01), fit_softmax(features, classes, CLASSES, (0.1, 0.01), weights),
                             strict=True):  # fmt: skip
        # scikit-learn sums where the head takes the mean.
        reference = LogisticRegression(C=1 / (penalty * float(weights.sum())), max_iter=5000, tol=1e-8)
        expected = reference.fit(x, classes, sample_weight=weights.numpy()).predict_proba(x)
        got = head(features).softmax(1).numpy()

        assert got == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("weighted", [False, True])
def test_ridge_is_that_of_scikit_learn(examples, weighted):
    features, _, numbers, weights = examples
    weights = weights if weighted else torch.ones(N)
    x = Standardise(features)(features).double().numpy()
    for penalty, head in zip((10.0, 0.1), fit_ridge(features, numbers, (10.0, 0.1), weights), strict=True):
        reference = Ridge(alpha=penalty * float(weights.sum()))
        expected = reference.fit(x, numbers.numpy(), sample_weight=weights.numpy()).predict(x)
        got = head(features)[:, 0].numpy()

        # The head centres features by their plain mean; with weights the penalised solutions differ a little.
        assert got == pytest.approx(expected, abs=0.02 if weighted else 1e-3)


def test_heads_do_not_depend_on_the_scale_of_features(examples):
    features, classes, numbers, _ = examples
    scale = torch.linspace(0.5, 40, F)
    for fit in (lambda x: fit_ridge(x, numbers, (1.0,)), lambda x: fit_softmax(x, classes, CLASSES, (0.03,))):
        # MIN_STD is relative to the mean of all deviations, hence a tolerance.
        assert fit(features)[0](features).numpy() == pytest.approx(
            fit(features * scale)[0](features * scale).numpy(), abs=0.02
        )


def test_heads_come_in_the_order_of_their_penalties(examples):
    features, classes, numbers, _ = examples
    for heads in (
        fit_ridge(features, numbers, (0.1, 100.0)),
        fit_softmax(features, classes, CLASSES, (0.01, 1.0)),
    ):
        weak, strong = (float(head.weight.square().sum()) for head in heads)
        assert weak > 4 * strong
