"""Atomic writes: the whole new file, or the old one."""

import pytest

from models.atomic import replacing, write_atomically


def test_bytes_and_text(tmp_path):
    write_atomically(tmp_path / "new" / "a.bin", b"\x00\xff")
    write_atomically(tmp_path / "new" / "a.txt", "seven")

    assert (tmp_path / "new" / "a.bin").read_bytes() == b"\x00\xff"
    assert (tmp_path / "new" / "a.txt").read_text() == "seven"
    assert len(list((tmp_path / "new").iterdir())) == 2


def test_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "model.onnx"
    write_atomically(path, b"old")

    def fail_half_way():
        with replacing(path) as partial:
            partial.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_partial_file_is_hidden_and_keeps_its_suffix(tmp_path):
    with replacing(tmp_path / "a.npz") as partial:
        assert partial.suffix == ".npz"
        assert partial.name.startswith(".")
        partial.write_bytes(b"")
