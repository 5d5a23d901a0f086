"""The pixels of a collection, read from disk as they are asked for."""

import numpy as np
import pytest

from training.data.collection.pixels import Pixels, write_pixels

STORED = np.arange(6 * 2 * 3 * 3, dtype=np.uint8).reshape(6, 2, 3, 3)


@pytest.fixture(params=["file", "memory"])
def source(request, tmp_path):
    if request.param == "memory":
        return STORED
    write_pixels(tmp_path / "pixels.npy", iter(STORED), STORED.shape)
    return tmp_path / "pixels.npy"


def test_pictures_are_those_that_are_named(source):
    pixels = Pixels(source)
    some = pixels.subset(np.array([5, 0, 3]))

    assert (len(pixels), len(some)) == (6, 3)
    assert np.array_equal(pixels[2], STORED[2])
    assert np.array_equal(some[1], STORED[0])
    assert np.array_equal(some[:], STORED[[5, 0, 3]])
    assert np.array_equal(some[np.array([2, 0])], STORED[[3, 5]])
    assert np.array_equal(some.subset(np.array([2]))[0], STORED[3])


def test_what_is_read_may_be_changed(source):
    pixels = Pixels(source)
    pixels[0][:] = 255

    assert np.array_equal(pixels[0], STORED[0])
