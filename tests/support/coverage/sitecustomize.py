"""Starts coverage in the servers that tests start: `make coverage` puts this folder first on PYTHONPATH.

Coverage's own `patch = ["subprocess"]` does not reach them, as they run in .venv, which has no coverage;
pytest and its workers are left to pytest-cov.
"""

import os
import sys
from itertools import pairwise
from pathlib import Path


def start() -> None:
    """Import coverage from the development environment, and nothing else from there."""
    site = os.environ["COVERAGE_SITE"]
    sys.path.insert(0, site)
    import coverage

    sys.path.remove(site)
    coverage.process_startup()


def is_measured(arguments: list[str]) -> bool:
    """True for every process in .venv, and for `python -m models...` or `-m service...` elsewhere."""
    if not Path(os.environ["COVERAGE_SITE"]).resolve().is_relative_to(Path(sys.prefix).resolve()):
        return True
    return any(
        flag == "-m" and module.startswith(("models", "service")) for flag, module in pairwise(arguments)
    )


if "COVERAGE_SITE" in os.environ and is_measured(sys.orig_argv):
    start()
