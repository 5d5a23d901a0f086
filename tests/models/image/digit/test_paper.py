"""Paper and polarity against the same votes taken in full, and bounds that shortcuts rely on."""

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from models.image import ink
from models.image.paper import (
    PAPER_GRAINS,
    STROKE_WEIGHT,
    THUMBNAIL_SIDE,
    dark_on_light,
    ink_on_paper,
    shrink,
)
from models.image.ruled_lines import MAX_SLOPE, MIN_LENGTH, without_ruling
from tests.support.images import pictures

Grey = npt.NDArray[np.uint8]


@st.composite
def pages(draw: st.DrawFn) -> Grey:
    """A few strokes on a page, of any polarity, with a shadow and noise."""
    height, width = draw(st.integers(1, 112)), draw(st.integers(1, 112))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    page = np.full((height, width), rng.uniform(0, 255))
    for _ in range(draw(st.integers(0, 6))):
        ends = [(int(rng.integers(width)), int(rng.integers(height))) for _ in range(2)]
        cv2.line(page, *ends, color=rng.uniform(0, 255), thickness=int(rng.integers(1, 25)))
    page = page * np.linspace(1, draw(st.floats(0.2, 1)), width) + rng.normal(0, 8, page.shape)
    return np.clip(page, 0, 255).astype(np.uint8)


def is_light_on_dark(page: Grey) -> bool:
    """The sum of the three votes, each taken in full."""
    thumbnail = shrink(page, THUMBNAIL_SIDE)
    _, light = cv2.threshold(thumbnail, 0, 1, cv2.THRESH_OTSU)
    border = np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]])
    side = 2 * round(max(thumbnail.shape) * PAPER_GRAINS[0] / 2) + 1
    closed = ndimage.grey_closing(thumbnail, (side, side), mode="nearest").astype(float)
    opened = ndimage.grey_opening(thumbnail, (side, side), mode="nearest").astype(float)
    dark, light_strokes = ((closed - thumbnail) ** 2).sum(), ((thumbnail - opened) ** 2).sum()
    votes = light.mean() + border.mean() - 1 + STROKE_WEIGHT * np.log((1 + dark) / (1 + light_strokes))
    return bool(votes < -1e-9)


@settings(max_examples=300)
@given(pages())
def test_polarity_is_that_of_all_three_votes(grey):
    page = dark_on_light(grey)

    inverted = 255 if is_light_on_dark(grey) else 0
    assert np.array_equal(page.grey, grey ^ inverted)
    assert np.array_equal(page.thumbnail, shrink(grey, THUMBNAIL_SIDE) ^ inverted)
    side = 2 * round(max(page.thumbnail.shape) * PAPER_GRAINS[0] / 2) + 1
    closed = ndimage.grey_closing(page.thumbnail, (side, side), mode="nearest")
    assert np.array_equal(page.fine_paper, closed)


@settings(max_examples=300)
@given(pages())
def test_no_grain_of_paper_shows_more_ink_than_the_bound(grey):
    page = dark_on_light(grey)

    assert max(ink_on_paper(page, grain).max() for grain in PAPER_GRAINS) <= page.max_ink


@settings(max_examples=60)
@given(
    which=st.sampled_from(sorted(pictures.STROKES)),
    pen=st.floats(0.01, 0.15),
    shade=st.integers(120, 255),
    contrast=st.integers(20, 120),
)
def test_the_second_look_is_left_out_only_where_it_changes_nothing(which, pen, shade, contrast):
    paper, dark = (shade,) * 3, (shade - contrast,) * 3
    picture = pictures.pixels(pictures.digit(which, (200, 200), ink=dark, paper=paper, pen=pen))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ink, "dark_on_light", lambda grey: replace(dark_on_light(grey), max_ink=10_000))
        looked_twice = ink.find_digit(picture)

    digit = ink.find_digit(picture)

    assert digit.box == looked_twice.box
    assert np.array_equal(digit.ink, looked_twice.ink)


@settings(max_examples=200)
@given(st.integers(1, 1500), st.integers(1, 1500), st.integers(8, 130))
def test_shrunk_pages_keep_their_aspect_and_shade(height, width, side):
    slope = np.add.outer(np.arange(height), np.arange(width)) * (140 / (height + width)) + 60
    slope = slope.astype(np.uint8)

    small = shrink(slope, side)

    if max(height, width) <= side:
        assert small is slope
    else:
        assert max(small.shape) == side
        scale = max(height, width) / side
        assert small.shape == (max(round(height / scale), 1), max(round(width / scale), 1))
        # Less than a pixel of the small page is left out at its end.
        assert abs(float(small.mean()) - float(slope.mean())) < 2 + 140 / side


def test_shrinking_keeps_a_hairline():
    page = np.full((797, 601), 255, np.uint8)
    page[:, 300] = 0

    small = shrink(page, 112)

    assert (255 - small.astype(int)).sum(axis=1).min() > 20


@settings(max_examples=100)
@given(st.integers(20, 112), st.floats(0.02, MIN_LENGTH - 0.05), st.floats(0.02, 0.6), st.integers(0, 10_000))
def test_ink_that_no_line_can_cross_holds_none(side, share, fill, seed):
    rng = np.random.default_rng(seed)
    mask = np.zeros((side, side), np.uint8)
    width = max(int(share * side), 1)
    mask[:, 1 : 1 + width] = rng.random((side, width)) < fill

    lines = cv2.HoughLinesP(mask, 1, np.pi / 360, int(0.4 * side), None, MIN_LENGTH * side, 0.06 * side)

    for x0, y0, x1, y1 in () if lines is None else lines.reshape(-1, 4):
        assert abs(y1 - y0) >= MAX_SLOPE * abs(x1 - x0)


def test_ruling_goes_and_the_stroke_across_it_stays():
    mask = np.zeros((112, 112), np.uint8)
    mask[20::20] = 1
    mask[5:105, 50:57] = 1

    seen = without_ruling(mask)

    assert seen[5:105, 50:57].mean() > 0.95
    assert not seen[:, :45].any()
