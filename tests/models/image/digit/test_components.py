"""Components against a flood fill in plain Python, on random masks."""

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.image.components import Components, cut

Bytes = npt.NDArray[np.uint8]
Pixel = tuple[int, int]

shapes = st.tuples(st.integers(1, 14), st.integers(1, 14))
ink_and_mask = shapes.flatmap(
    lambda shape: st.tuples(
        arrays(np.uint8, shape, elements=st.integers(1, 255)),
        arrays(np.uint8, shape, elements=st.integers(0, 1)) | st.just(np.zeros(shape, np.uint8)),
    )
)


def flood(mask: Bytes) -> set[frozenset[Pixel]]:
    """The 8-connected components of a mask, each as its pixels (row, column)."""
    left = {(int(row), int(column)) for row, column in np.argwhere(mask)}
    components = set()
    while left:
        component, fresh = set(), [left.pop()]
        while fresh:
            row, column = fresh.pop()
            component.add((row, column))
            near = {(row + down, column + right) for down, right in product((-1, 0, 1), repeat=2)} & left
            left -= near
            fresh += near
        components.add(frozenset(component))
    return components


def pixels_of(components: Components, label: int) -> frozenset[Pixel]:
    return frozenset((int(row), int(column)) for row, column in np.argwhere(components.labels == label))


@settings(max_examples=300)
@given(ink_and_mask)
def test_components_are_those_of_a_flood_fill(drawn):
    ink, mask = drawn

    components = Components.of(ink, mask)

    labels = range(1, components.count + 1)
    assert {pixels_of(components, label) for label in labels} == flood(mask)
    for label in labels:
        rows, columns = zip(*pixels_of(components, label), strict=True)
        box = (min(columns), min(rows), np.ptp(columns) + 1, np.ptp(rows) + 1)
        assert components.stats[label] == (*box, len(rows))


@settings(max_examples=300)
@given(ink_and_mask)
def test_main_component_has_the_most_ink_away_from_the_border(drawn):
    ink, mask = drawn
    assume(mask.any())
    components = Components.of(ink, mask)

    def score(component: frozenset[Pixel]) -> float:
        rows, columns = zip(*component, strict=True)
        perimeter = 2 * (np.ptp(columns) + 1 + np.ptp(rows) + 1)
        on_border = sum(
            (row in (0, ink.shape[0] - 1)) + (column in (0, ink.shape[1] - 1)) for row, column in component
        )
        # A picture of one row or column has its pixels on two sides at once.
        on_border += len(component) * sum(side == 1 for side in ink.shape)
        share = min(max(1 - 2 * on_border / perimeter, 0.02), 1)
        return share * sum(int(ink[pixel]) for pixel in component)

    best = max(score(component) for component in flood(mask))
    assert score(pixels_of(components, components.main())) == pytest.approx(best)


@settings(max_examples=200)
@given(ink_and_mask)
def test_darkness_is_the_95th_percentile_of_a_component(drawn):
    ink, mask = drawn
    components = Components.of(ink, mask)

    for label in range(1, components.count + 1):
        values = sorted(int(ink[pixel]) for pixel in pixels_of(components, label))
        assert components.darkness(label) == values[int(0.95 * (len(values) - 1))]


@settings(max_examples=200)
@given(ink_and_mask, st.data())
def test_mask_holds_the_chosen_components_and_a_pixel_around_them(drawn, data):
    ink, mask = drawn
    assume(mask.any())
    components = Components.of(ink, mask)
    labels = st.integers(1, components.count)
    chosen = data.draw(st.lists(labels, min_size=1, unique=True))

    seen, box = components.mask_of(chosen)

    around = np.zeros(mask.shape, np.uint8)
    for label in chosen:
        for row, column in pixels_of(components, label):
            around[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = 1
    assert np.array_equal(seen, cut(around, box))
    assert seen.sum() == around.sum()
