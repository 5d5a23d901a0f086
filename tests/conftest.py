"""Fixtures of all tests: a zoo trained from scratch, real servers, and pictures."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loadtests.server import REPO, serving
from models.model import ZOO
from tests.support.http_calls import CLIENT
from tests.support.images import pictures
from training.data.synthetic.cars import DrawnCar, draw


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder that MNIST is fetched to, once per clone."""
    return REPO / "data"


@pytest.fixture(scope="session")
def trained_zoo(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A small digit classifier and a small price network, trained from scratch."""
    # Here: torch takes seconds and half a gigabyte, which few tests need.
    from training.data import sources
    from training.export.export import export
    from training.export.familiarity import FamiliarityOptions
    from training.fitting.train import train_recipe
    from training.recipes import RECIPES

    zoo = tmp_path_factory.mktemp("zoo")
    options = FamiliarityOptions(outliers=1400, examples=2000, test_outliers=280, steps=600)
    digits = replace(
        RECIPES["digits-cnn"],
        epochs=2, batch_size=64, floors={"accuracy": 0.9}, patience=2, pages=0, finish={},
    )  # fmt: skip
    mnist = sources.load("mnist", digits.view, data).limited(6000)
    cars = replace(RECIPES["drawn-cars"], epochs=8)
    drawings = sources.load("drawn-cars", cars.view)
    for recipe, splits in ((digits, mnist), (cars, drawings)):
        export(recipe, train_recipe(recipe, splits), splits, zoo, data, options)
    return zoo


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of a server with the models of the repository."""
    with serving(ZOO, tmp_path_factory.mktemp("server") / "log", deadline_ms="120000") as url:
        yield url


@pytest.fixture(scope="session", autouse=True)
def _client_is_closed() -> Iterator[None]:
    yield
    CLIENT.close()


@pytest.fixture
def digit_png() -> bytes:
    """A seven, as a PNG file."""
    return pictures.encoded(pictures.digit(7))


@pytest.fixture
def car_png() -> bytes:
    """A drawn car, as a PNG file."""
    car = DrawnCar(body="suv", length=0.7, wheel=0.11, trim=0.5)
    return pictures.encoded(draw(car, np.random.default_rng(3)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """End with how many tests were skipped for lack of what.

    A reason names what is missing, then how to get it: "haproxy is not installed: apt-get install haproxy".
    """
    skipped = terminalreporter.stats.get("skipped", [])
    lacking = Counter(
        _lacking(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple)
    )
    if lacking:
        names = ", ".join(f"{name} ({count})" for name, count in lacking.most_common())
        terminalreporter.write_line(f"{lacking.total()} skipped for lack of: {names}", yellow=True)


def _lacking(reason: str) -> str:
    head = reason.removeprefix("Skipped: ").partition(":")[0]
    return re.sub(r"^no | is not (installed|permitted|here)$", "", head)
