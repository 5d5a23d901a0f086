"""Fixtures of all tests: a zoo trained from scratch, real servers, and pictures."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Test processes share the cores: with a thread per core each, those of one wait for those of the other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings

from loadtests.server import REPO, serving
from models.image.views import DigitView
from models.model import ZOO
from tests.support.http_calls import CLIENT
from tests.support.images import pictures
from tests.support.waiting import WITHIN_S
from training.data.synthetic.cars import DrawnCar, draw

# What it takes to run in a container and to stay off the network.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# A deadline per example fails tests where the machine is busy, not where the code is wrong.
settings.register_profile("glimpse", deadline=None)
settings.load_profile("glimpse")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder that MNIST is fetched to, once per clone."""
    folder = REPO / "data"
    (folder / "cache").mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def mnist(data: Path) -> Any:
    """The first 6,000 training digits, and 600 each in the other parts."""
    from training.data import sources  # here: few tests need what comes with training

    return sources.load("mnist", DigitView(), data, at_most=6000)


@pytest.fixture(scope="session")
def trained_zoo(tmp_path_factory: pytest.TempPathFactory, data: Path, worker_id: str) -> Path:
    """A small digit classifier and a small price network, trained from scratch, once for all processes."""
    base = tmp_path_factory.getbasetemp()
    zoo = (base if worker_id == "master" else base.parent) / "trained_zoo"
    with FileLock(zoo.with_suffix(".lock")):
        if not zoo.exists():
            # In a process of its own: torch takes seconds and half a gigabyte, which few tests need.
            command = [sys.executable, "-m", "tests.support.models.trained", str(zoo), str(data)]
            subprocess.run(command, cwd=REPO, check=True)
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


# Not for the session: while Playwright is open its event loop counts as running, and asyncio.run() in
# any other test would refuse.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright; a test waits WITHIN_S for what it expects of a page."""
    from playwright.sync_api import expect, sync_playwright  # here: few tests need it

    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    expect.set_options(timeout=1000 * WITHIN_S)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


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
