"""The tail of a trunk: it takes what the trunk describes, and learns without touching the trunk."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F

from models.image.views import SquashView
from training.custom.trunk import Trunk
from training.custom.tuning import tail as module
from training.custom.tuning.tail import Appended, Tail, TunedTail, fit_tail
from training.networks.pyramid import Intermediates, Pyramid

VIEW = SquashView(width=40, height=32)


def pixels(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *VIEW.shape), dtype=np.uint8)


def maps(classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """float16 (N, 2, 36): the class is the brightest of three channels, through noise."""
    drawn = rng.normal(size=(len(classes), 2, 4, 9))
    drawn[np.arange(len(classes)), :, classes] += 4
    return drawn.reshape(len(classes), 2, -1).astype(np.float16)


@torch.no_grad()
def test_the_numbers_behind_the_features_are_the_maps_that_the_tail_takes(tiny_trunk: Trunk, tmp_path: Path):
    """Before it learns, a tail gives the trunk's own features."""
    narrow = tiny_trunk.describe(VIEW, tmp_path, 1)(pixels(5))
    wide = tiny_trunk.describe(VIEW, tmp_path, 1, maps=True)(pixels(5))
    tail, (own, inner) = tiny_trunk.tail(VIEW), tiny_trunk.body.widths

    both = Appended(tail, own + inner)(torch.from_numpy(wide)).numpy()

    assert tail.shape == (8, 8, 10)
    assert wide.shape == (5, own + inner + 8 * 8 * 10)
    np.testing.assert_allclose(wide[:, : own + inner], narrow, atol=1e-5)
    np.testing.assert_array_equal(both[:, : own + inner], wide[:, : own + inner])
    np.testing.assert_allclose(both[:, own + inner :], narrow[:, :own], atol=1e-3)


def test_a_network_of_timm_is_not_cut(tiny_trunk: Trunk):
    network = timm.create_model("test_resnet.r160_in1k", pretrained=False, num_classes=0)
    other = Trunk("test_resnet", Pyramid(Intermediates(network.eval()), 160), (0.5,) * 3, (0.5,) * 3)

    assert tiny_trunk.is_cut
    assert not other.is_cut


def test_all_of_the_tail_learns_but_batch_statistics_and_the_trunks_own_stays(tail: Tail, rng):
    classes = rng.integers(0, 3, 90)
    before = {name: value.clone() for name, value in tail.state_dict().items()}
    tuned = TunedTail(tail, 3)

    drawn = maps(classes, rng)
    fit_tail(tuned, drawn, torch.from_numpy(classes), np.arange(90), F.cross_entropy, "here")
    after = tuned.tail.state_dict()

    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed == {"blocks.0.weight", "blocks.0.bias", "blocks.1.weight", "blocks.1.bias"}
    assert all(torch.equal(value, before[name]) for name, value in tail.state_dict().items())
    assert not any(value.requires_grad for value in tuned.parameters())
    assert (tuned.scores(drawn[:, 0]).argmax(1).numpy() == classes).mean() > 0.7


def test_it_learns_from_the_chosen_pictures_alone_and_from_all_their_views(tail: Tail, rng):
    classes = rng.integers(0, 3, 90)
    targets, drawn = torch.from_numpy(classes), maps(classes, rng)

    def scores(targets: torch.Tensor, maps: np.ndarray) -> torch.Tensor:
        tuned = fit_tail(TunedTail(tail, 3), maps, targets, np.arange(60), F.cross_entropy, "here")
        return tuned.scores(drawn[:, 0])

    expected = scores(targets, drawn)
    misled, hidden, blurred = targets.clone(), drawn.copy(), drawn.copy()
    misled[60:], hidden[60:], blurred[:60, 1] = 0, 0, 0

    assert torch.equal(scores(misled, hidden), expected)
    assert not torch.allclose(scores(targets, blurred), expected, atol=1e-3)


@pytest.mark.parametrize("count", [1, 31, 32, 33, 100])
def test_scores_are_those_of_single_pictures_however_many(tail: Tail, rng, count):
    tuned = TunedTail(tail, 2)
    torch.nn.init.normal_(tuned.head.weight)
    drawn = maps(rng.integers(0, 3, count), rng)[:, 0]

    alone = torch.cat([tuned(torch.from_numpy(one[None]).float()) for one in drawn])

    torch.testing.assert_close(tuned.scores(drawn), alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("count", "steps"), [(4, 60), (36, 60), (320, 60), (640, 100)])
def test_few_pictures_are_seen_more_often(tail: Tail, rng, monkeypatch, count, steps):
    seen: list[int] = []

    def counted(batches, what):
        seen.append(len(batches))
        return batches[:1]

    monkeypatch.setattr(module, "track", counted)
    classes = rng.integers(0, 3, count)
    fit_tail(
        TunedTail(tail, 3),
        maps(classes, rng),
        torch.from_numpy(classes),
        np.arange(count),
        F.cross_entropy,
        "",
    )

    assert steps <= seen[0] <= steps * 1.1
