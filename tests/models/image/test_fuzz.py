"""The decoder under a fuzzer for 20 s.

For longer: `python -m tests.support.images.fuzz_decode --seconds N`.
"""

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
def test_only_picture_errors(tmp_path):
    fuzzer = [sys.executable, "-m", "tests.support.images.fuzz_decode"]
    command = [*fuzzer, "--seconds", str(SECONDS), "--folder", tmp_path]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    runs = re.search(r"Done (\d+) runs", done.stderr)

    assert done.returncode == 0, done.stdout[-1_000:] + done.stderr[-3_000:]
    assert runs and int(runs[1]) > 0
