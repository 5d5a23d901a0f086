"""Cross-fitting: no picture is scored by a head that saw it, and blends are chosen by those scores alone."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.custom.crossfit import (
    RIDGE_PENALTIES,
    SHARES,
    CrossFitted,
    absolute_error,
    classes_head,
    cross_entropy,
    cross_fit,
    equal_classes,
    numbers_head,
)

N, FOLDS, CLASSES = 90, 5, 3
WEAK = (0.03, 1e-3)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def folds(count: int = N) -> np.ndarray:
    return np.arange(count) % FOLDS


def one_view(*blocks: np.ndarray) -> np.ndarray:
    """float16 (N, 1, F) of blocks (N, F)."""
    return np.concatenate(blocks, axis=1)[:, None].astype(np.float16)


def telling(classes: np.ndarray, rng: np.random.Generator, noise: float, count: int = 6) -> np.ndarray:
    """Features of which the first CLASSES tell the class, through noise."""
    features = rng.normal(size=(len(classes), count))
    features[:, :CLASSES] = np.eye(CLASSES)[classes] + noise * features[:, :CLASSES]
    return features


def cross_fit_classes(features, classes, widths, penalties=WEAK, into=None) -> CrossFitted:
    return cross_fit(
        features, torch.from_numpy(classes), folds(len(classes)) if into is None else into, widths,
        classes_head(torch.ones(CLASSES)), F.cross_entropy, penalties,
    )  # fmt: skip


def accuracy(scores: torch.Tensor, classes: np.ndarray) -> float:
    return float((scores.argmax(1).numpy() == classes).mean())


def test_scores_of_random_classes_are_no_better_than_chance_though_the_head_knows_them_all(rng):
    """As many features as pictures: a head can learn each of its own by heart."""
    classes = rng.integers(0, CLASSES, 200)
    features = one_view(rng.normal(size=(200, 150)), rng.normal(size=(200, 150)))

    fitted = cross_fit_classes(features, classes, (150, 150), (1e-3,))
    own = fitted.head(torch.from_numpy(features[:, 0]).float())

    assert accuracy(own, classes) > 0.98
    # Three standard deviations of a guess are 0.1.
    assert accuracy(fitted.scores, classes) < 1 / CLASSES + 0.1
    assert fitted.loss > float(F.cross_entropy(own, torch.from_numpy(classes))) + 0.5


def test_a_view_of_a_held_out_picture_is_held_out_with_it(rng):
    """The label stands in the picture's second view alone, with a mark that no other picture has."""
    classes = rng.integers(0, CLASSES, N)
    marks = 5 * np.eye(N)
    features = np.stack([marks + rng.normal(size=(N, N)), marks + rng.normal(size=(N, N))], axis=1)
    features = np.concatenate([features, features], axis=2).astype(np.float16)

    fitted = cross_fit_classes(features, classes, (N, N), (1e-3,))

    assert accuracy(fitted.head(torch.from_numpy(features[:, 0]).float()), classes) > 0.95
    assert accuracy(fitted.scores, classes) < 1 / CLASSES + 0.17


def test_all_views_are_learned_from_and_the_first_is_scored(rng):
    classes = rng.integers(0, CLASSES, N)
    plain, changed = telling(classes, rng, 0.3), telling(classes, rng, 0.3)
    features = np.concatenate([np.stack([plain, changed], axis=1)] * 2, axis=2).astype(np.float16)
    both = np.concatenate([features[:, :1], features[:, 1:]], axis=0)

    fitted = cross_fit_classes(features, classes, (6, 6), (0.03,))
    expected = cross_fit_classes(both, np.tile(classes, 2), (6, 6), (0.03,), np.tile(folds(), 2))

    torch.testing.assert_close(fitted.scores, expected.scores[:N], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("noise", [(0.4, 0.8), (0.6, 0.6)])
def test_a_blend_is_the_shares_of_the_scores_of_its_blocks(rng, noise):
    classes = rng.integers(0, CLASSES, N)
    blocks = [telling(classes, rng, level) for level in noise]
    alone = [cross_fit_classes(one_view(block, block), classes, (6, 6)) for block in blocks]

    fitted = cross_fit_classes(one_view(*blocks), classes, (6, 6))
    (share, first), (rest, second) = fitted.choices

    assert share + rest == 1
    assert (first, second) == (alone[0].choices[0][1], alone[1].choices[0][1])
    torch.testing.assert_close(fitted.scores, share * alone[0].scores + rest * alone[1].scores)
    losses = [
        float(F.cross_entropy(s * alone[0].scores + (1 - s) * alone[1].scores, torch.from_numpy(classes)))
        for s in SHARES
    ]
    assert fitted.loss == pytest.approx(min(losses))
    assert share == SHARES[int(np.argmin(losses))]


def test_the_head_of_a_blend_answers_as_the_blend_of_heads(rng):
    """Pictures that are never trained on are scored by the heads of all others."""
    classes = rng.integers(0, CLASSES, N)
    features = one_view(telling(classes, rng, 0.6), telling(classes, rng, 0.6))
    into = np.where(np.arange(N) < 20, -1, folds())

    fitted = cross_fit_classes(features, classes, (6, 6), into=into)
    by_head = fitted.head(torch.from_numpy(features[:, 0]).float())

    assert 0 < fitted.choices[0][0] < 1
    torch.testing.assert_close(fitted.scores[:20], by_head[:20], atol=1e-5, rtol=1e-5)
    assert not torch.isclose(fitted.scores[20:], by_head[20:], atol=1e-3).all(1).any()


def test_nothing_is_learned_from_pictures_that_are_only_held_out(rng):
    classes = rng.integers(0, CLASSES, N)
    features = one_view(telling(classes, rng, 0.6), telling(classes, rng, 0.6))
    into = np.where(np.arange(N) < 20, -1, folds())
    wrong = classes.copy()
    wrong[:20] = (wrong[:20] + 1) % CLASSES

    right, misled = (cross_fit_classes(features, labels, (6, 6), into=into) for labels in (classes, wrong))

    assert torch.equal(right.scores, misled.scores)
    assert torch.equal(right.head.weight, misled.head.weight)
    assert (right.loss, right.choices) == (misled.loss, misled.choices)


@pytest.mark.parametrize("noise_first", [True, False])
def test_noise_gets_little_and_takes_nothing(rng, noise_first):
    classes = rng.integers(0, CLASSES, N)
    good, noise = telling(classes, rng, 0.5), rng.normal(size=(N, 6))
    blocks = (noise, good) if noise_first else (good, noise)

    fitted = cross_fit_classes(one_view(*blocks), classes, (6, 6))
    alone = cross_fit_classes(one_view(good, good), classes, (6, 6))
    (first, _), (second, _) = fitted.choices

    assert (first if noise_first else second) <= 0.25
    assert fitted.loss <= alone.loss


def test_the_penalty_is_the_one_of_a_cross_validation_by_scikit_learn(rng):
    classes = rng.integers(0, CLASSES, N)
    features = one_view(*2 * [telling(classes, rng, 1.2, 20)])
    penalties = (3.0, 0.3, 0.03, 3e-3)
    losses = {}
    for penalty in penalties:
        # scikit-learn sums where the head takes the mean, over four fifths of the pictures.
        solver = LogisticRegression(C=1 / (penalty * N * (1 - 1 / FOLDS)), max_iter=5000, tol=1e-8)
        probabilities = cross_val_predict(
            make_pipeline(StandardScaler(), solver), features[:, 0, :20].astype(float), classes,
            cv=PredefinedSplit(folds()), method="predict_proba",
        )  # fmt: skip
        losses[penalty] = log_loss(classes, probabilities)
    best = min(losses, key=losses.__getitem__)

    fitted = cross_fit_classes(features, classes, (20, 20), penalties)

    assert best not in (penalties[0], penalties[-1])
    assert [penalty for _, penalty in fitted.choices] == [best, best]
    assert fitted.loss == pytest.approx(losses[best], abs=2e-3)
    x = StandardScaler().fit_transform(features[:, 0, :20].astype(float))
    whole = LogisticRegression(C=1 / (best * N), max_iter=5000, tol=1e-8).fit(x, classes)
    by_head = fitted.head(torch.from_numpy(features[:, 0]).float()).softmax(1)
    np.testing.assert_allclose(by_head.numpy(), whole.predict_proba(x), atol=5e-3)


def test_numbers_are_those_of_a_cross_validation_by_scikit_learn(rng):
    features = rng.normal(size=(N, 8)).astype(np.float16)
    numbers = (features @ rng.normal(size=8) + rng.normal(size=N)).astype(np.float32)
    predicted = {
        penalty: cross_val_predict(
            make_pipeline(StandardScaler(), Ridge(alpha=penalty * N * (1 - 1 / FOLDS))),
            features.astype(float), numbers, cv=PredefinedSplit(folds()),
        )
        for penalty in RIDGE_PENALTIES
    }  # fmt: skip
    losses = {penalty: float(np.abs(values - numbers).mean()) for penalty, values in predicted.items()}
    best = min(losses, key=losses.__getitem__)

    fitted = cross_fit(
        one_view(features, features), torch.from_numpy(numbers), folds(), (8, 8), numbers_head,
        absolute_error, RIDGE_PENALTIES,
    )  # fmt: skip

    assert [penalty for _, penalty in fitted.choices] == [best, best]
    assert fitted.loss == pytest.approx(losses[best], rel=5e-3)
    np.testing.assert_allclose(fitted.scores[:, 0].numpy(), predicted[best], atol=0.02)


def test_balanced_heads_find_the_rare_class():
    """Two overlapping classes, one of them a tenth of all."""
    rng = np.random.default_rng(0)
    classes = torch.from_numpy((rng.random(600) < 0.1).astype(np.int64))
    features = (rng.normal(size=(600, 1, 8)) + 0.5 * classes.numpy()[:, None, None]).astype(np.float16)
    folds = np.arange(600) % 5
    recall = {}
    for name, weights in (("plain", torch.ones(2)), ("balanced", equal_classes(classes, 2))):
        fitted = cross_fit(
            features, classes, folds, (4, 4), classes_head(weights), cross_entropy(weights), (0.1, 0.01)
        )
        answers = fitted.scores.argmax(1)
        recall[name] = [float((answers[classes == c] == c).float().mean()) for c in (0, 1)]

    assert equal_classes(classes, 2)[classes].sum() == pytest.approx(600)
    assert recall["plain"][0] > 0.95
    assert recall["plain"][1] < 0.5
    assert min(recall["balanced"]) > 0.65
