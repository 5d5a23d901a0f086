"""Clients that nobody here wrote, in an environment of their own: `make .venv-clients/ready`."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

PYTHON = Path(__file__).parents[3] / ".venv-clients" / "bin" / "python"


def run_client(script: str, *arguments: str, **environment: str) -> Any:
    """What a script prints as JSON in its last line.

    Args:
        script: Python, run in the clients' environment; raising fails the test.
        arguments: Its sys.argv[1:].
        environment: Variables that it has besides.
    """
    if not PYTHON.exists():
        pytest.skip("the foreign clients are not installed: make .venv-clients/ready")
    done = subprocess.run(
        [PYTHON, "-c", script, *arguments],
        env={**os.environ, "NO_PROXY": "*", **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
