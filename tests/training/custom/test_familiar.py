"""Likeness to own pictures: high along what they share, low anywhere else, measured by the others of them."""

import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.custom.familiar import (
    AXES,
    FAMILIAR_FRACTION,
    MAX_LANDMARKS,
    NEIGHBOURS,
    THRESHOLD,
    Likeness,
    fit_likeness,
)

WIDTH = 96
FOLDS = 5


def own(count: int, seed: int = 0, kinds: int = 6, noise: float = 0.3) -> np.ndarray:
    """float16 (count, WIDTH): kinds of pictures in the first half of the directions."""
    rng = np.random.default_rng((9, seed))
    centres = np.random.default_rng(9).normal(size=(kinds, WIDTH // 2))
    features = np.zeros((count, WIDTH))
    features[:, : WIDTH // 2] = centres[rng.integers(kinds, size=count)]
    features[:, : WIDTH // 2] += noise * rng.normal(size=(count, WIDTH // 2))
    return features.astype(np.float16)


def others(count: int, seed: int = 0) -> torch.Tensor:
    """Pictures of which half lies along directions that own ones do not have."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, WIDTH, generator=generator)


def fit(features: np.ndarray, folds: np.ndarray | None = None) -> tuple[Likeness, np.ndarray]:
    return fit_likeness(
        features[:, None], np.arange(len(features)) % FOLDS if folds is None else folds, WIDTH
    )


def test_other_directions_are_unfamiliar_and_new_own_pictures_familiar():
    likeness, _ = fit(own(400))

    assert (likeness(others(300)) < THRESHOLD).all()
    fraction = float((likeness(torch.from_numpy(own(600, seed=1)).float()) >= THRESHOLD).float().mean())
    # Three standard deviations of the quantile of 400 and of the fraction of 600.
    assert abs(fraction - FAMILIAR_FRACTION) < 0.035


@pytest.mark.parametrize("count", [60, 200, 333])
def test_the_threshold_lies_where_it_leaves_the_wanted_fraction_of_unseen_own_pictures(count):
    _, familiar = fit(own(count))

    assert (familiar < THRESHOLD).sum() == pytest.approx((1 - FAMILIAR_FRACTION) * count, abs=1)


def test_a_copy_in_another_fold_is_seen_and_one_in_the_same_fold_is_not():
    """The copied picture is like no other one; its copies are fewer than what is left below the threshold."""
    features, copies = own(400), 2 * FOLDS
    features[:copies] = others(1).numpy()
    apart, together = np.arange(400) % FOLDS, np.arange(400) % FOLDS
    together[:copies] = 0

    _, seen = fit(features, apart)
    _, unseen = fit(features, together)

    assert seen[:copies].min() > 0.9
    assert unseen[:copies].max() < THRESHOLD


def test_pictures_that_are_only_held_out_are_compared_with_all_and_change_nothing():
    features, more = own(100), np.concatenate([own(100), others(30).numpy().astype(np.float16)])
    folds = np.arange(100) % FOLDS
    alone, familiar = fit(features, folds)

    both, all_familiar = fit(more, np.concatenate([folds, np.full(30, -1)]))

    assert all(
        torch.equal(*pair)
        for pair in zip(alone.state_dict().values(), both.state_dict().values(), strict=True)
    )
    np.testing.assert_array_equal(all_familiar[:100], familiar)
    expected = alone(torch.from_numpy(more[100:]).float()).numpy()
    np.testing.assert_allclose(all_familiar[100:], expected, atol=1e-6)


def test_with_all_directions_and_landmarks_it_is_the_mean_cosine_to_the_nearest():
    features = torch.from_numpy(own(50)).float()
    new = others(20)
    unit = torch.nn.functional.normalize(features.double())
    cosines = torch.nn.functional.normalize(new.double()) @ unit.T

    likeness = Likeness(features).likeness(new)

    expected = cosines.sort(dim=1, descending=True).values[:, :NEIGHBOURS].mean(1)
    np.testing.assert_allclose(likeness.numpy(), expected.numpy(), atol=1e-5)


def test_fewer_pictures_than_axes_span_as_many_directions_as_they_are():
    features = torch.from_numpy(own(AXES // 2)).float()
    likeness = Likeness(features)

    assert likeness.axes.shape == (AXES // 2, WIDTH)
    torch.testing.assert_close(likeness.axes @ likeness.axes.T, torch.eye(AXES // 2), atol=1e-5, rtol=0)
    own_direction = likeness.likeness(features[:1])
    assert own_direction > likeness.likeness(others(50)).max()


@pytest.mark.parametrize("count", [1, 2, NEIGHBOURS - 1])
def test_fewer_pictures_than_neighbours_are_all_compared_with(count):
    features = torch.from_numpy(own(count)).float()
    unit = torch.nn.functional.normalize(features)

    likeness = Likeness(features).likeness(features)

    np.testing.assert_allclose(likeness.numpy(), (unit @ unit.T).mean(1).numpy(), atol=1e-5)


def test_of_many_pictures_a_thousand_are_landmarks_and_all_decide_the_axes():
    """Pictures come class by class: the last tenth, of a direction of its own, has axes and landmarks too."""
    features = own(MAX_LANDMARKS + 200)
    features[-120:] /= 100
    features[-120:, -1] = 1

    first, again = (Likeness(torch.from_numpy(features).float()) for _ in range(2))

    assert first.landmarks.shape == (MAX_LANDMARKS, AXES)
    assert torch.equal(first.landmarks, again.landmarks)
    assert len(first.landmarks.unique(dim=0)) == MAX_LANDMARKS
    rare = torch.zeros(1, WIDTH)
    rare[0, -1] = 1
    assert first.likeness(rare) == pytest.approx(1, abs=0.01)


def test_the_same_pictures_give_the_same_bits():
    (one, familiar), (other, again) = (fit(own(150)) for _ in range(2))

    np.testing.assert_array_equal(familiar, again)
    assert all(
        torch.equal(*pair)
        for pair in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


@pytest.fixture(scope="module")
def fitted() -> Likeness:
    return fit(own(150))[0]


@given(scale=st.floats(1e-3, 1e4), seed=st.integers(0, 1000), is_own=st.booleans())
@settings(max_examples=50)
def test_the_length_of_features_is_of_no_account(fitted, scale, seed, is_own):
    features = torch.from_numpy(own(3, seed)).float() if is_own else others(3, seed)

    torch.testing.assert_close(fitted(scale * features), fitted(features), atol=1e-4, rtol=1e-4)


@given(features=st.lists(st.floats(-6e4, 6e4, width=16), min_size=WIDTH, max_size=WIDTH))
@settings(max_examples=50)
def test_any_features_have_a_familiarity(fitted, features):
    familiar = fitted(torch.tensor([features]))

    assert 0 <= float(familiar) <= 1


def test_what_follows_the_first_features_is_of_no_account(fitted):
    features = others(4)

    assert torch.equal(fitted(torch.cat([features, 100 * others(4, seed=2)], dim=1)), fitted(features))


def test_of_a_picture_its_first_view_and_first_features_count():
    features = own(80)
    views = np.stack([features, others(80).numpy().astype(np.float16)], axis=1)
    wide = np.concatenate([views, 50 * views[:, ::-1]], axis=2)

    _, familiar = fit_likeness(wide, np.arange(80) % FOLDS, WIDTH)

    np.testing.assert_array_equal(familiar, fit(features)[1])


def test_onnxruntime_answers_as_torch_for_any_number_of_pictures(fitted):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the exporter
        program = torch.onnx.export(
            fitted.eval(), (torch.zeros(2, WIDTH + 8),), dynamo=True, verbose=False, input_names=["features"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )  # fmt: skip
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for count in (1, 7):
        features = torch.cat([torch.from_numpy(own(count, 3)).float(), others(count)])
        features = torch.cat([features, torch.ones(len(features), 8)], dim=1)
        (familiar,) = session.run(None, {"features": features.numpy()})
        np.testing.assert_allclose(familiar, fitted(features).numpy(), atol=1e-5)
