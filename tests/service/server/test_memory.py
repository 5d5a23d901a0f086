"""What a serving process holds: nothing that it held once and needs no more. Each in a process of its own."""

import subprocess
import sys

import pytest

from loadtests.server import REPO

RESIDENT = """
import re
from pathlib import Path

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
"""

AFTER_A_FLOOD = (
    RESIDENT
    + """
import asyncio
from service.application import Application
from service.server import lifespan
from service.settings import Settings

lifespan.TRIM_INTERVAL_S = 0.2
APPLICATION = Application.open(Settings(drain_seconds=0, device="cpu"))

async def main():
    flood = [bytearray(50_000) for _ in range(2_000)]
    last = flood[-1]  # what is freed below it stays with glibc
    full = resident()
    del flood
    async with lifespan.lifespan(APPLICATION):
        for _ in range(600):
            await asyncio.sleep(0.1)
            if full - resident() > 80:
                break
        print(full - resident())

asyncio.run(main())
"""
)

OPENED = (
    RESIDENT
    + """
from models.model import ZOO, open_model, read_model_file
from service import malloc
from service.inference.device import choose_device
from service.inference.session import open_model_on
from service.settings import Settings

path = ZOO / "cars-transfer.onnx"
before = resident()
model = {}
malloc.trim()
print(resident() - before)
"""
)

WITHOUT_MEMORY = """
import re, resource
from pathlib import Path
import numpy as np
from models.model import ZOO, read_model_file
from service.inference.engine import Engine
from service.inference.execution import Workplaces
from service.inference.device import choose_device
from service.inference.session import open_model_on
from service.settings import Settings

device = choose_device("cpu")
model = open_model_on(read_model_file(ZOO / "cars-transfer.onnx"), device, Settings())
engine = Engine(model.card, model, Workplaces(1), Settings(), device)
batch = [np.zeros(model.card.view.shape, np.uint8)] * 64
used = 1024 * int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
resource.setrlimit(resource.RLIMIT_AS, (used + 50 * 2**20, resource.RLIM_INFINITY))
try:
    engine._execution._run(batch)
except MemoryError:
    print(1)
"""


def printed(script: str) -> float:
    ended = subprocess.run([sys.executable, "-c", script], cwd=REPO, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return float(ended.stdout)


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux", reason="no Linux: run in a container; /proc and glibc are Linux's"
    ),
]


def test_what_was_freed_goes_back_to_the_system():
    assert printed(AFTER_A_FLOOD) > 80  # of 100


def test_a_session_keeps_nothing_of_the_golden_pictures():
    verified = printed(OPENED.format("open_model(path)"))
    served = printed(OPENED.format('open_model_on(read_model_file(path), choose_device("cpu"), Settings())'))

    assert served < verified - 20


def test_a_session_without_memory_is_out_of_memory_and_not_broken():
    """It is answered 503, not 500."""
    assert printed(WITHOUT_MEMORY) == 1
