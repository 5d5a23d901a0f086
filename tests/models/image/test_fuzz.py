"""The fuzzer for a bounded time; longer by hand: `python -m tests.support.images.fuzz_decode --seconds N`."""

import importlib.util
import re
import subprocess
import sys

import pytest

from loadtests.server import REPO

no_atheris = importlib.util.find_spec("atheris") is None
SECONDS = 20


@pytest.mark.slow
@pytest.mark.skipif(no_atheris, reason="atheris has wheels for Linux on x86-64 only")
def test_nothing_but_picture_errors_for_a_while(tmp_path):
    command = [
        sys.executable,
        "-m",
        "tests.support.images.fuzz_decode",
        "--seconds",
        str(SECONDS),
        "--folder",
        tmp_path,
    ]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=SECONDS + 100)
    runs = re.search(r"Done (\d+) runs", done.stderr)

    assert done.returncode == 0, done.stdout[-1_000:] + done.stderr[-3_000:]
    assert runs and int(runs[1]) > 500
