"""The sandbox: harm by a model file stays in the process that opens it."""

import asyncio

import pytest

from models import sandbox
from models.model import ZooError, open_model
from models.sandbox import verify_in_subprocess
from tests.support.models.corrupted import LINEAR, corrupted, double_probabilities, squares


def test_sha256_of_the_verified_file(tmp_path):
    path = corrupted(tmp_path, lambda proto: None)
    assert asyncio.run(verify_in_subprocess(path)) == open_model(path).sha256


def test_reason_of_a_refusal(tmp_path):
    path = corrupted(tmp_path, double_probabilities)
    with pytest.raises(ZooError, match=rf"^{LINEAR}\.onnx returns probabilities that do not sum to 1\.$"):
        asyncio.run(verify_in_subprocess(path))


def test_memory_limit(tmp_path):
    """14 GB for one tensor, in a process that may have 4 GiB."""
    with pytest.raises(ZooError, match=LINEAR):
        asyncio.run(verify_in_subprocess(corrupted(tmp_path, squares(60_000))))


@pytest.mark.slow
def test_time_limit(tmp_path, monkeypatch):
    """A product of 5 TFLOP: too many for the limit, and few enough numbers for the memory."""
    monkeypatch.setattr(sandbox, "TIME_LIMIT_S", 2.0)
    with pytest.raises(ZooError, match="not opened and verified within 2 s"):
        asyncio.run(verify_in_subprocess(corrupted(tmp_path, squares(14_000))))


def test_crash(tmp_path, monkeypatch):
    """A process that ends without output, as when onnxruntime crashes."""
    monkeypatch.setattr(sandbox.sys, "executable", "/bin/false")
    with pytest.raises(ZooError, match=r"ends the process that tries it \(status 1\)"):
        asyncio.run(verify_in_subprocess(corrupted(tmp_path, lambda proto: None)))
