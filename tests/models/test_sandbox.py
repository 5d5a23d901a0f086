"""The trial of a model file in a process of its own: what harms whoever opens it harms nobody else."""

import asyncio
import time

import pytest

from models import sandbox
from models.model import ZooError, open_model
from models.sandbox import verify_in_subprocess
from tests.support.models.corrupted import LINEAR, spoilt, squares, twice_as_probable


def test_a_trial_says_which_file_it_saw(tmp_path):
    path = spoilt(tmp_path, lambda proto: None)
    assert asyncio.run(verify_in_subprocess(path)) == open_model(path).sha256


def test_a_trial_says_why_a_file_is_refused(tmp_path):
    with pytest.raises(ZooError, match=f"^{LINEAR}.onnx returns probabilities that do not sum to 1.$"):
        asyncio.run(verify_in_subprocess(spoilt(tmp_path, twice_as_probable)))


def test_a_file_that_takes_all_memory_is_refused(tmp_path):
    """14 GB for one tensor: asked for in a process that may have four."""
    with pytest.raises(ZooError, match=LINEAR):
        asyncio.run(verify_in_subprocess(spoilt(tmp_path, squares(60_000))))


def test_a_file_that_takes_for_ever_is_refused(tmp_path, monkeypatch):
    """Squaring this matrix is 10 TFLOP."""
    monkeypatch.setattr(sandbox, "TIME_LIMIT_S", 2.0)
    started = time.perf_counter()
    with pytest.raises(ZooError, match="not opened and verified within 2 s"):
        asyncio.run(verify_in_subprocess(spoilt(tmp_path, squares(17_000))))
    assert time.perf_counter() - started < 20


def test_a_file_that_ends_its_process_is_refused(tmp_path, monkeypatch):
    """As a crash of onnxruntime would end it: without a word."""
    monkeypatch.setattr(sandbox.sys, "executable", "/bin/false")
    with pytest.raises(ZooError, match=r"ends the process that tries it \(status 1\)"):
        asyncio.run(verify_in_subprocess(spoilt(tmp_path, lambda proto: None)))
