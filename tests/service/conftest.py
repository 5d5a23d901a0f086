"""Servers that several files of tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests.server import serving
from models.model import ZOO
from tests.support.models.files import model_file, put


@pytest.fixture(scope="package")
def zoo(tmp_path_factory) -> Path:
    """Small models only: many servers are started here."""
    folder = tmp_path_factory.mktemp("zoo")
    for name in ("digits-linear", "digits-mlp", "cars-mlp"):
        (folder / f"{name}.onnx").symlink_to(ZOO / f"{name}.onnx")
    return folder


@pytest.fixture(scope="package")
def swapping(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """A server that loads models by calls, and its folder; each test has names of its own there."""
    folder = tmp_path_factory.mktemp("swap")
    zoo = folder / "zoo"
    zoo.mkdir()
    put(zoo, "digits-linear", model_file())
    # One worker: each counts what it loads and refuses.
    with serving(zoo, folder / "log", model_control="true", workers="1") as url:
        yield url, zoo
