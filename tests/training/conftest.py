"""What the tests of training share: a few thousand digits, and the smallest recipe for them."""

from dataclasses import replace

import pytest

from training.data import sources
from training.recipes import RECIPES

LINEAR = replace(RECIPES["digits-linear"], epochs=2, floors={})


@pytest.fixture(scope="package")
def digits(data):
    return sources.load("mnist", LINEAR.view, data).limited(2000)
