"""Fixtures of the training tests: a few thousand digits, the smallest recipe for them, and its file."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from training.data.splits import Splits
from training.export.export import export
from training.export.familiarity import FamiliarityOptions
from training.fitting.fit import fit
from training.recipes import RECIPES

LINEAR = replace(RECIPES["digits-linear"], epochs=2, floors={})

FEW = FamiliarityOptions(outliers=70, examples=200, pages=20, test_outliers=35, steps=100)
"""Enough for an export that works; familiarity itself is tested in export/test_familiarity.py."""


@pytest.fixture(scope="session")
def digits(mnist: Splits) -> Splits:
    return mnist.limited(2000)


@pytest.fixture(scope="session")
def exported_linear(digits: Splits, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported linear model; tests that change the file take `linear_copy`."""
    return export(LINEAR, fit(LINEAR, digits), digits, tmp_path_factory.mktemp("linear"), data, FEW)


@pytest.fixture
def linear_copy(exported_linear: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(exported_linear, tmp_path))
