"""A machine that has run out of something: memory, disk, a folder to write. The server says so and goes on
where it can."""

import io
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loadtests.server import REPO, SERVING, serving, started
from models.model import ZOO
from tests.support.http_calls import CLIENT, PNG
from tests.support.images import pictures
from tests.support.processes import server_of

pytestmark = pytest.mark.slow


def may_unshare() -> bool:
    """Whether this test may give a process file systems of its own, as containers have them."""
    return (
        bool(shutil.which("unshare"))
        and not subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode
    )


needs_mounts = pytest.mark.skipif(not may_unshare(), reason="unshare -m is not permitted: run as root")

READ_ONLY = """
mount -t tmpfs -o {shm} none /dev/shm
for folder in /tmp /var/tmp; do mount --bind $folder $folder && mount -o remount,ro,bind $folder; done
mount -o remount,ro,bind / && exec {python} -m service "$@"
"""
"""Nothing can be written but what {shm} leaves of the shared memory."""


@contextmanager
def read_only(log: Path, shm: str, workers: int = 1) -> Iterator[str]:
    """A server whose system is read-only; the log was opened before."""
    script = READ_ONLY.format(shm=shm, python=SERVING / "python")
    environment = {**os.environ, "GLIMPSE_MODELS_DIR": str(ZOO),
                   "GLIMPSE_WORKERS": str(workers), "GLIMPSE_DRAIN_SECONDS": "0"}  # fmt: skip
    with started(["unshare", "-m", "sh", "-c", script, "sh"], REPO, environment, log) as url:
        yield url


@pytest.mark.slow
@needs_mounts
def test_a_read_only_system_serves(tmp_path):
    with read_only(tmp_path / "log", "rw") as url:
        assert CLIENT.post(f"{url}/classify", files={"image": PNG}).json()["label"] == "7"
        assert "glimpse_requests_total" in CLIENT.get(f"{url}/metrics").text


@needs_mounts
def test_without_any_folder_to_write_it_says_what_to_do(tmp_path):
    log = tmp_path / "log"
    with pytest.raises(AssertionError, match="ended with 1"), read_only(log, "ro"):
        pass
    assert "mount one on /tmp" in log.read_text()
    assert "Traceback" not in log.read_text()


@needs_mounts
@pytest.mark.slow
def test_workers_without_disk_for_their_metrics_serve(tmp_path):
    log = tmp_path / "log"
    with read_only(log, "rw,size=1M", workers=2) as url:
        for _ in range(10):
            assert CLIENT.post(f"{url}/classify", files={"image": PNG}).json()["label"] == "7"
        assert "glimpse_requests_total" in CLIENT.get(f"{url}/metrics").text
    assert "No space left on device" in log.read_text()


@pytest.mark.slow
def test_out_of_memory_is_a_503_and_the_next_is_answered(tmp_path):
    """A picture that is allowed and for which there is no memory."""
    large = io.BytesIO()
    Image.fromarray(np.zeros((7000, 7000), np.uint8)).convert("RGB").save(large, "PNG", compress_level=1)
    log = tmp_path / "log"
    with serving(ZOO, log, workers="1") as url:
        for _ in range(4):  # all threads are there
            assert CLIENT.post(f"{url}/classify", files={"image": PNG}).status_code == 200
        assert CLIENT.post(f"{url}/price", files={"image": PNG}).status_code == 200
        process = server_of(url)
        status = Path(f"/proc/{process}/status").read_text()
        size = int(status.split("VmSize:")[1].split()[0]) * 1024
        subprocess.run(["prlimit", "--pid", str(process), f"--as={size + 60 * 2**20}"], check=True)

        refused = CLIENT.post(f"{url}/classify", files={"image": large.getvalue()})

        assert refused.status_code == 503
        assert refused.json()["title"] == "Overloaded"
        assert "retry-after" in refused.headers
        for kind in ["PNG", "JPEG", "WEBP", "TIFF"] * 5:
            small = CLIENT.post(f"{url}/classify", files={"image": pictures.encoded(pictures.digit(7), kind)})
            assert small.json()["label"] == "7", small.text
        assert CLIENT.get(f"{url}/readyz").status_code == 200
    assert "out of memory" in log.read_text()
