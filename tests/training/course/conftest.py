"""Fixtures of the labs' tests: a workbench for small runs."""

from pathlib import Path

import pytest

from training.course.workbench import Workbench
from training.data.splits import Splits


@pytest.fixture
def workbench(mnist: Splits, data: Path, tmp_path: Path) -> Workbench:
    """A small run that works in a folder of its own; MNIST is at hand."""
    return Workbench(tmp_path / "lab", data, small=True)
