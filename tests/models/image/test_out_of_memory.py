"""Decoding without enough memory: MemoryError, not a broken picture.

HEIF is left out: its library ends the process if it gets no memory for a thread (docs/security.md).
"""

import os
import subprocess
import sys

import pytest

from loadtests.server import REPO
from models.image.decode import FORMATS
from tests.support.images import pictures

pytestmark = pytest.mark.slow

PAGE = pictures.landscape(800, 800)

OPEN_UNDER_LIMITS = """
import re, resource, sys
from pathlib import Path
from models.image.decode import open_picture

def used():
    return 1024 * int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

data = Path(sys.argv[1]).read_bytes()
open_picture(data, 64)
outcomes = []
for spare in range(0, 32 * 2**20, 2**20):
    resource.setrlimit(resource.RLIMIT_AS, (used() + spare, resource.RLIM_INFINITY))
    try:
        outcomes.append(open_picture(data, 64) is not None)
    except MemoryError:
        outcomes.append(False)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(outcomes.count(True), outcomes.count(False))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "HEIF"])
def test_too_little_memory_is_a_memory_error(kind, tmp_path):
    """A page under rising limits, from too little for one row to enough for all."""
    path = tmp_path / "page"
    path.write_bytes(pictures.encoded(PAGE, kind))
    command = [sys.executable, "-c", OPEN_UNDER_LIMITS, path]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}  # freed memory is returned
    ended = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True)

    assert ended.returncode == 0, ended.stderr
    opened, refused = map(int, ended.stdout.split())
    assert opened, "the limit was never high enough"
    assert refused, "the limit was never too low"
