"""Examples and Splits: weights of groups, fingerprints, smaller sets."""

from dataclasses import replace

import numpy as np
import pytest

from training.data.splits import Examples, Splits, group_weights


def examples(count=4, **changes):
    pixels = np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1)
    return replace(Examples(pixels, np.arange(float(count))), **changes)


def test_groups_weigh_by_the_square_root_of_their_size():
    weights = group_weights(examples(5, groups=np.array(["a", "b", "b", "b", "b"])))

    assert weights.dtype == np.float32
    assert weights.mean() == pytest.approx(1)
    assert weights[1:].sum() == pytest.approx(np.sqrt(4) * weights[0])
    assert group_weights(examples()).tolist() == [1, 1, 1, 1]


def test_fingerprints_are_of_pixels_and_targets():
    part = examples()
    changed = (
        replace(part, pixels=part.pixels + np.uint8(1)),
        replace(part, targets=part.targets + 1),
        part[:3],
    )

    assert part.fingerprint == examples(facts={"maker": np.array(list("abcd"))}).fingerprint
    assert part.fingerprint not in {other.fingerprint for other in changed}
    splits = Splits("test", part, part[:1], part[:2], part[:3])
    assert splits.fingerprint != replace(splits, test=part[:2]).fingerprint


def test_limited_sets_keep_a_tenth_beside_training():
    part = examples(2000)
    few = Splits("test", part, part, part, part).limited(1000)

    assert [len(p) for p in (few.train, few.validation, few.calibration, few.test)] == [1000, 100, 100, 100]


def test_joined_parts_keep_order_groups_and_facts():
    parts = [
        examples(count, groups=np.full(count, name), facts={"maker": np.full(count, name)})
        for count, name in ((2, "a"), (3, "b"))
    ]
    joined = Examples.joined(*parts)

    assert joined.pixels.ravel().tolist() == [0, 1, 0, 1, 2]
    assert joined.groups.tolist() == joined.facts["maker"].tolist() == ["a", "a", "b", "b", "b"]
