"""Descriptions: each picture is described once, whatever else is described, damaged or interrupted."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch

from training.custom import descriptions
from training.custom.descriptions import VIEWS, Features, describe_pictures
from training.data import augment
from training.data.collection.opening import Opened

SIDE = 12
KEY = ("trunk", "view")


class Means:
    """Means of quarters of a picture, and how many views it was asked for; it fails after `limit` of them."""

    def __init__(self, limit: float = np.inf, shift: float = 0) -> None:
        self.views, self.limit, self.shift = 0, limit, shift

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        self.views += len(pixels)
        if self.views > self.limit:
            raise MemoryError
        half = SIDE // 2
        quarters = pixels.reshape(len(pixels), 2, half, 2, half, 3).mean((2, 4))
        return quarters.reshape(len(pixels), -1).astype(np.float32) + self.shift

    @property
    def pictures(self) -> float:
        return self.views / VIEWS


def opened(numbers: Iterable[int]) -> Opened:
    """Pictures that follow from their numbers."""
    numbers = list(numbers)
    pixels = [np.random.default_rng(n).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8) for n in numbers]
    digests = tuple(f"{n * 2654435761 % 2**32:08x}{n:056x}" for n in numbers)
    return Opened(np.stack(pixels), np.zeros((len(numbers), 1, 1), np.uint8), digests, ("",) * len(numbers))


def described(
    numbers: Iterable[int], root: Path, trunk: Means | None = None, fresh: bool = False, key: tuple = KEY
) -> tuple[Features, float]:
    """The features, and how many pictures were described for them."""
    trunk = trunk or Means()
    features = describe_pictures(opened(numbers), trunk, augment.photo, key, root, fresh)
    return features, trunk.pictures


def shards(root: Path) -> list[Path]:
    return sorted((root / "cache").rglob("*.npz"))


def test_the_features_are_those_of_the_picture_its_mirror_image_and_two_others(tmp_path):
    features, _ = described(range(7), tmp_path)
    pixels = opened(range(7)).pixels

    assert features.shape == (7, VIEWS, 12)
    assert features.dtype == np.float16
    np.testing.assert_array_equal(features[:, 0], Means()(pixels).astype(np.float16))
    np.testing.assert_array_equal(features[:, 1], Means()(pixels[:, :, ::-1]).astype(np.float16))
    assert len(np.unique(features.reshape(-1, 12), axis=0)) == 7 * VIEWS


def test_what_is_known_is_not_described_again(tmp_path):
    first, count = described(range(9), tmp_path)
    second, again = described(range(9), tmp_path)

    assert (count, again) == (9, 0)
    np.testing.assert_array_equal(first, second)


def test_new_pictures_cost_only_themselves_in_any_order(tmp_path):
    described(range(9), tmp_path)
    order = [11, 3, 0, 10, 8, 5]
    features, count = described(order, tmp_path)
    alone, _ = described(order, tmp_path / "elsewhere")

    assert count == 2
    np.testing.assert_array_equal(features, alone)


def test_views_of_a_picture_are_the_same_whatever_is_described_beside_it_and_random_numbers_go_on(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)

    together, _ = described(range(6), tmp_path / "together")
    assert torch.equal(torch.rand(3), expected)
    one, _ = described([4], tmp_path / "alone")

    np.testing.assert_array_equal(together[4], one[0])


def test_another_trunk_or_view_describes_again(tmp_path):
    described(range(3), tmp_path)
    features, count = described(range(3), tmp_path, Means(shift=1), key=("other", "view"))

    assert count == 3
    np.testing.assert_array_equal(features[:, 0], Means(shift=1)(opened(range(3)).pixels).astype(np.float16))


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "lacking"])
def test_a_damaged_file_is_described_again_and_replaced(tmp_path, caplog, damage):
    expected, _ = described(range(5), tmp_path)
    described([5, 6], tmp_path)
    file = max(shards(tmp_path), key=lambda path: path.stat().st_size)
    whole = file.read_bytes()
    if damage == "lacking":
        np.savez(file, digests=np.array(opened(range(5)).digests), features=expected[:3])
    else:
        file.write_bytes({"cut": whole[:-400], "garbage": b"\x00" * 999, "empty": b""}[damage])

    # Not the same pictures as before, so the file that is written has another name.
    features, count = described(range(1, 7), tmp_path)
    assert "damaged" in caplog.text
    caplog.clear()
    _, again = described(range(1, 7), tmp_path)

    assert (count, again) == (4, 0)
    np.testing.assert_array_equal(features[:4], expected[1:])
    assert caplog.text == ""
    assert len(shards(tmp_path)) == 2


@pytest.mark.parametrize("count", [1, 3, 6])
def test_fresh_ones_are_described_whatever_is_known_and_are_known_from_then_on(tmp_path, count):
    """With several counts: names of files follow from what is in them, so the fresh one is first or last."""
    described(range(8), tmp_path, Means(shift=100))
    for file in shards(tmp_path):
        os.utime(file, (0, 0))

    fresh, described_count = described(range(count), tmp_path, fresh=True)
    again, known = described(range(8), tmp_path)

    assert (described_count, known) == (count, 0)
    np.testing.assert_array_equal(again[:count], fresh)
    np.testing.assert_array_equal(fresh, described(range(count), tmp_path / "elsewhere")[0])


def test_a_crash_costs_only_what_is_not_written_yet(tmp_path, monkeypatch):
    monkeypatch.setattr(descriptions, "SAVED_EVERY", 8)
    with pytest.raises(MemoryError):
        described(range(30), tmp_path, Means(limit=22 * VIEWS))

    features, count = described(range(30), tmp_path)

    assert count == 30 - 16
    np.testing.assert_array_equal(features, described(range(30), tmp_path / "elsewhere")[0])


def test_what_another_run_is_writing_is_left_to_it(tmp_path, caplog):
    """`replacing` hides what is not whole yet behind a dot."""
    described(range(3), tmp_path)
    partial = shards(tmp_path)[0].with_name(".shard.123.npz")
    partial.write_bytes(b"PK not whole yet")

    _, count = described(range(3), tmp_path)

    assert count == 0
    assert partial.exists()
    assert caplog.text == ""


def test_where_nothing_can_be_written_it_says_so_and_goes_on(tmp_path, caplog):
    (tmp_path / "cache").write_text("a file where the folder should be")

    features, count = described(range(3), tmp_path)

    assert features.shape == (3, VIEWS, 12)
    assert count == 3
    assert "takes no descriptions" in caplog.text


def test_a_picture_that_is_there_twice_has_the_same_features(tmp_path):
    features, _ = described([1, 2, 1], tmp_path)

    np.testing.assert_array_equal(features[0], features[2])
