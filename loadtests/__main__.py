"""`python -m loadtests`: start the service, load it with locust, leave a report and a verdict."""

import argparse
import subprocess
import sys
from pathlib import Path

from loadtests.server import REPO, serving
from models.zoo import ZOO


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    parser.add_argument("--users", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--report", type=Path, default=Path("runs/loadtest.html"))
    options = parser.parse_args()
    options.report.parent.mkdir(parents=True, exist_ok=True)
    with serving(ZOO, options.report.with_suffix(".server.log")) as url:
        locust = subprocess.run([
            sys.executable, "-m", "locust", "--locustfile", "loadtests/locustfile.py", "--headless",
            "--host", url, "--users", str(options.users), "--spawn-rate", str(options.users),
            "--run-time", f"{options.seconds}s", "--html", str(options.report.resolve()), "--only-summary",
        ], cwd=REPO)  # fmt: skip
    print(f"{'PASS' if locust.returncode == 0 else 'FAIL'}: see {options.report}")
    return locust.returncode


if __name__ == "__main__":
    sys.exit(main())
