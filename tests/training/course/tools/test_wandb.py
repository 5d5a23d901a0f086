"""The lab on Weights & Biases: what a record says is what happened."""

import os

import pytest

from training.course.page import Listing, Page, Picture
from training.course.tools.offline_run import BLOCK, FILE_HEAD, HEAD, records
from training.course.tools.wandb import run
from training.course.workbench import Workbench
from training.fitting.tracking import is_installed


@pytest.fixture(scope="module")
def page(mnist, data, tmp_path_factory) -> Page:
    if not is_installed("wandb"):
        pytest.skip("wandb is not installed: .venv-dev/bin/python -m pip install wandb")
    return run(Workbench(tmp_path_factory.mktemp("lab") / "wandb", data, small=True))


@pytest.mark.slow
def test_the_records_choose_the_rate_that_is_best_on_the_test_split(page):
    assert page.holds
    assert page.values["same"]
    assert page.values["accuracy_right"] > page.values["accuracy_too_small"] + 0.1
    assert page.values["accuracy_right"] > page.values["accuracy_too_large"]


@pytest.mark.slow
def test_curves_confusion_and_gallery_are_drawn_from_the_record(page):
    pictures = [block.path for block in page.blocks if isinstance(block, Picture)]

    assert [path.stem for path in pictures] == ["curves", "confusion", "gallery"]
    assert page.values["pictures"] == 20
    files = next(block.text for block in page.blocks if isinstance(block, Listing))
    assert "run-ID.wandb" in files
    assert "gallery" in files
    assert "WANDB_MODE" not in os.environ


def test_without_the_package_the_page_says_how_to_get_it(workbench, monkeypatch):
    monkeypatch.setattr("training.fitting.tracking.find_spec", lambda package: None)
    page = run(workbench)

    assert not page.holds
    assert "pip install wandb" in page.verdict
    assert not workbench.folder.exists()


def test_records_are_put_together_from_pieces_over_blocks():
    """A log written by the rules of its form: no piece crosses a block, ends too short for one are zeros."""
    contents = [b"a" * 10, b"b" * (2 * BLOCK), b"", b"c" * 40, b"d" * (BLOCK - 3)]
    log = b"\0" * FILE_HEAD
    for content in contents:
        rest, first = content, True
        while first or rest:
            room = BLOCK - len(log) % BLOCK
            if room < HEAD.size:
                log += b"\0" * room
                continue
            piece, rest = rest[: room - HEAD.size], rest[room - HEAD.size :]
            kind = {(True, True): 1, (True, False): 2, (False, False): 3, (False, True): 4}[first, not rest]
            log += HEAD.pack(0, len(piece), kind) + piece
            first = False

    assert list(records(log)) == contents
    assert list(records(log[:-1])) == contents[:-1]
