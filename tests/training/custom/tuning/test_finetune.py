"""Fine-tuning is decided by pictures left out: it helps where only maps tell, and is refused elsewhere."""

import logging

import numpy as np
import pytest
import torch

from training.custom.crossfit import (
    CrossFitted,
    absolute_error,
    classes_head,
    cross_entropy,
    cross_fit,
    cross_fit_kernel,
    numbers_head,
)
from training.custom.tuning import finetune
from training.custom.tuning.finetune import (
    FineTuned,
    classes_aim,
    fine_tune,
    numbers_aim,
)
from training.custom.tuning.tail import Tail
from training.networks.architectures import Network

N, FOLDS, CLASSES = 200, 5, 3
WIDTHS = (5, 4)
EVEN = torch.ones(CLASSES)


def folds(left_out: int = 0) -> np.ndarray:
    """The first `left_out` are never learned from."""
    return np.where(np.arange(N) < left_out, -1, np.arange(N) % FOLDS)


def described(telling: np.ndarray, rng: np.random.Generator, by: str) -> np.ndarray:
    """float16 (N, 2, 9 + 36): features, then maps; one of them tells, the other is noise.

    Args:
        telling: (N, 3), what there is to tell.
        rng: Of the noise.
        by: "features" or "maps".
    """
    features, maps = rng.normal(size=(N, 2, 9)), rng.normal(size=(N, 2, 4, 9))
    if by == "features":
        features[:, :, :3] = telling[:, None] + 0.3 * features[:, :, :3]
    else:
        maps[:, :, :3] += 4 * telling[:, None, :, None]
    return np.concatenate([features, maps.reshape(N, 2, -1)], axis=2).astype(np.float16)


def of_classes(
    rng: np.random.Generator, by: str, into: np.ndarray | None = None
) -> tuple[CrossFitted, np.ndarray, torch.Tensor, np.ndarray]:
    """What `fine_tune` takes."""
    classes = rng.integers(0, CLASSES, N)
    drawn, into = described(np.eye(CLASSES)[classes], rng, by), folds() if into is None else into
    targets = torch.from_numpy(classes)
    frozen = cross_fit(
        drawn[:, :, :9], targets, into, WIDTHS, classes_head(EVEN), cross_entropy(EVEN), (0.1, 0.01)
    )
    return frozen, drawn, targets, into


def of_numbers(
    rng: np.random.Generator, kernel: bool, into: np.ndarray
) -> tuple[CrossFitted, np.ndarray, torch.Tensor, np.ndarray]:
    """The same; a number of which features and maps tell a half each, and a kernel that is used or is not."""
    parts = rng.normal(size=(N, 2, 3))
    drawn = described(parts[:, 0], rng, "features")
    drawn[:, :, 9:] = described(parts[:, 1], rng, "maps")[:, :, 9:]
    seen = np.abs(parts[:, 0, 0]) * 5 if kernel else parts[:, 0, 0]
    numbers = seen + 2 * parts[:, 1, 0]
    targets = torch.from_numpy((numbers - numbers.mean()) / numbers.std()).float()
    features = drawn[:, :, :9]
    frozen = cross_fit(features, targets, into, WIDTHS, numbers_head, absolute_error, (1.0, 0.1))
    return cross_fit_kernel(frozen, features, targets, into, WIDTHS), drawn, targets, into


def accuracy(scores: torch.Tensor, targets: torch.Tensor) -> float:
    return float((scores.argmax(1) == targets).float().mean())


@torch.no_grad()
def answers(tuned: FineTuned, drawn: np.ndarray) -> torch.Tensor:
    """The scores of the written file, in torch."""
    fitted = tuned.fitted
    network = Network(torch.nn.Identity(), fitted.head, (0.0,), (1.0,), fitted.kernel)
    return network.scores(tuned.features(torch.from_numpy(drawn[:, 0]).float()))


@pytest.fixture
def fits(monkeypatch) -> list[str]:
    """What tails were fitted to."""
    done: list[str] = []
    fit = finetune.fit_tail

    def counted(*arguments):
        done.append(arguments[-1])
        return fit(*arguments)

    monkeypatch.setattr(finetune, "fit_tail", counted)
    return done


def test_what_only_the_maps_tell_is_learned(tail: Tail, rng, fits, caplog):
    caplog.set_level(logging.INFO)
    frozen, drawn, targets, into = of_classes(rng, "maps")

    tuned = fine_tune(frozen, drawn, targets, into, tail, classes_aim(EVEN))

    assert tuned is not None
    assert accuracy(frozen.scores, targets) < 0.45
    assert accuracy(tuned.fitted.scores, targets) > 0.65
    assert accuracy(answers(tuned, drawn), targets) > 0.65
    assert tuned.fitted.loss < 0.9 * frozen.loss
    assert tuned.fitted.choices[-1][0] >= 0.5
    assert sum(share for share, _ in tuned.fitted.choices) == pytest.approx(1)
    assert len(fits) == FOLDS + 1
    assert caplog.text.count("fine-tuning the last blocks: better (") == 2
    assert tuned.told == f"{tuned.fitted.choices[-1][0]:.0%} of the answer by its last blocks, fine-tuned"


def test_where_the_maps_tell_nothing_one_fold_is_enough_to_refuse(tail: Tail, rng, fits, caplog):
    caplog.set_level(logging.INFO)

    assert fine_tune(*of_classes(rng, "features"), tail, classes_aim(EVEN)) is None

    assert fits == ["fine-tuning, fold 1 of 5"]
    assert "fine-tuning the last blocks: no better, so they are left as they were (" in caplog.text
    assert caplog.text.count(" against ") == 1


def test_a_gain_within_its_standard_error_is_none():
    """A hundred pictures, of which each gains 0.1 or loses nearly as much."""
    spread = torch.tensor([1.0, -1.0]).repeat(50)

    def better(gain: float) -> bool:
        costs = {share: torch.ones(100) - (gain + 0.1 * spread) * (share == 0.5) for share in finetune.SHARES}
        return finetune._is_better(costs, "all pictures")

    # The standard error is 0.01.
    assert better(0.012)
    assert not better(0.008)


def test_one_good_fold_is_not_enough(tail: Tail, rng, fits, monkeypatch, caplog):
    """All folds decide in the end."""
    caplog.set_level(logging.INFO)
    decide = finetune._is_better
    monkeypatch.setattr(finetune, "_is_better", lambda costs, of: "all" not in of or decide(costs, of))

    assert fine_tune(*of_classes(rng, "features"), tail, classes_aim(EVEN)) is None

    assert len(fits) == FOLDS
    assert "no better, so they are left as they were" in caplog.text
    assert "on all pictures, left out" in caplog.text


def test_who_insists_gets_it(tail: Tail, rng):
    tuned = fine_tune(*of_classes(rng, "features"), tail, classes_aim(EVEN), anyway=True)

    assert tuned is not None
    assert tuned.fitted.choices[-1][0] == 0.25


def test_no_picture_is_scored_by_a_tail_that_saw_its_class(tail: Tail, rng, monkeypatch):
    monkeypatch.setattr(finetune, "SHARES", (0.0, 1.0))
    frozen, drawn, targets, into = of_classes(rng, "maps")
    other = torch.where(torch.from_numpy(into == 2), (targets + 1) % CLASSES, targets)

    right, misled = (
        fine_tune(frozen, drawn, labels, into, tail, classes_aim(EVEN), anyway=True)
        for labels in (targets, other)
    )

    assert right is not None
    assert misled is not None
    same = (right.fitted.scores == misled.fitted.scores).all(1).numpy()
    np.testing.assert_array_equal(same, into == 2)


def test_pictures_only_held_out_are_scored_by_the_whole_and_teach_nothing(tail: Tail, rng):
    frozen, drawn, targets, into = of_classes(rng, "maps", folds(20))
    wrong = targets.clone()
    wrong[:20] = (wrong[:20] + 1) % CLASSES

    right, misled = (
        fine_tune(frozen, drawn, labels, into, tail, classes_aim(EVEN)) for labels in (targets, wrong)
    )

    assert right is not None
    assert misled is not None
    by_file = answers(right, drawn)
    torch.testing.assert_close(right.fitted.scores[:20], by_file[:20], atol=1e-4, rtol=1e-4)
    assert not torch.isclose(right.fitted.scores[20:], by_file[20:], atol=1e-3).all(1).any()
    assert torch.equal(right.fitted.scores, misled.fitted.scores)


def test_the_same_twice(tail: Tail, rng):
    given = of_classes(rng, "maps")
    torch.manual_seed(7)
    first = fine_tune(*given, tail, classes_aim(EVEN))
    second = fine_tune(*given, tail, classes_aim(EVEN))

    assert first is not None
    assert second is not None
    assert torch.equal(first.fitted.head.weight, second.fitted.head.weight)
    assert torch.equal(first.fitted.scores, second.fitted.scores)
    states = [tuned.features.state_dict() for tuned in (first, second)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_number_of_which_the_maps_tell_a_part_is_learned(tail: Tail, rng):
    frozen, *given = of_numbers(rng, kernel=False, into=folds())

    tuned = fine_tune(frozen, *given, tail, numbers_aim())

    assert tuned is not None
    assert tuned.fitted.loss < 0.95 * frozen.loss


@pytest.mark.parametrize("kernel", [False, True], ids=["linear", "kernel"])
def test_a_number_is_the_blend_of_frozen_heads_and_tail(tail: Tail, rng, kernel):
    frozen, drawn, targets, into = of_numbers(rng, kernel, folds(40))
    assert (frozen.kernel is not None) == kernel

    tuned = fine_tune(frozen, drawn, targets, into, tail, numbers_aim(), anyway=True)

    assert tuned is not None
    share = tuned.fitted.choices[-1][0]
    known = torch.from_numpy(into >= 0)
    assert tuned.fitted.loss == pytest.approx(
        float(absolute_error(tuned.fitted.scores[known], targets[known]))
    )
    torch.testing.assert_close(tuned.fitted.scores[:40], answers(tuned, drawn)[:40], atol=1e-4, rtol=1e-4)
    # Without the tail's features what is left is the frozen share.
    bare = Network(torch.nn.Identity(), tuned.fitted.head, (0.0,), (1.0,), tuned.fitted.kernel)
    features = torch.from_numpy(drawn[:40, 0, :9]).float()
    apart = [
        bare.scores(torch.cat([features, torch.full((40, 8), value)], dim=1)).detach() for value in (0.0, 1.0)
    ]
    slope = apart[1] - apart[0]
    torch.testing.assert_close(slope, slope[:1].expand(40, 1), atol=1e-5, rtol=1e-4)
    rest = apart[0] - (1 - share) * frozen.scores[:40]
    torch.testing.assert_close(rest, rest[:1].expand(40, 1), atol=1e-4, rtol=1e-4)
