"""Pictures for which there is no memory: nobody is told that theirs is broken.

HEIF is left out: where its library gets no memory for a thread, it ends the process (docs/security.md).
"""

import os
import subprocess
import sys

import pytest

from loadtests.server import REPO
from models.image.decode import FORMATS
from tests.support.images import pictures

PAGE = pictures.landscape(1400, 1400)

OPENED_WITH_LESS_AND_MORE = """
import re, resource, sys
from pathlib import Path
from models.image.decode import open_picture

def used():
    return 1024 * int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

data = Path(sys.argv[1]).read_bytes()
open_picture(data, 64)
outcomes = []
for spare in range(0, 64 * 2**20, 2**20):
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
def test_it_is_opened_or_there_is_no_memory(kind, tmp_path):
    """A page of 2 megapixels, from too little memory for a single row of it to enough for all."""
    path = tmp_path / "page"
    path.write_bytes(pictures.encoded(PAGE, kind))
    command = [sys.executable, "-c", OPENED_WITH_LESS_AND_MORE, path]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}  # what is freed is gone
    ended = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True)

    assert ended.returncode == 0, ended.stderr
    opened, refused = map(int, ended.stdout.split())
    assert opened, "never enough"
    assert refused, "never too little"
