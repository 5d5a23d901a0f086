"""`python -m loadtests`: start the service, load it with locust, report, judge."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from loadtests.server import REPO, serving
from loadtests.users import report
from loadtests.users.shapes import SHAPES
from loadtests.users.stage_stats import StageStats
from models.model import ZOO


def main() -> int:
    """Run one load test; the exit code is 0 where it passes."""
    options = _options()
    shape = SHAPES[options.shape]
    suffix = "" if options.shape == "steady" else f"-{options.shape}"
    html = (options.report or Path(f"runs/loadtest{suffix}.html")).resolve()
    html.parent.mkdir(parents=True, exist_ok=True)
    measured = html.with_suffix(".json")
    measured.unlink(missing_ok=True)
    with serving(ZOO, html.with_suffix(".server.log")) as url:
        locust = subprocess.run([
            sys.executable, "-m", "locust", "--locustfile", "loadtests/users/locustfile.py", "--headless",
            "--host", url, "--shape", options.shape, "--users", str(options.users or shape.users),
            "--run-time", f"{options.seconds or shape.seconds}s",
            "--html", str(html), "--measured", str(measured), "--only-summary",
        ], cwd=REPO)  # fmt: skip
    if measured.exists():
        _report_stages(options.shape, measured)
    print(f"{'PASS' if locust.returncode == 0 else 'FAIL'}: see {html}")
    return locust.returncode


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="steady", help="how the number of users changes")
    parser.add_argument("--users", type=int, help="number of users; of steps the highest one")
    parser.add_argument("--seconds", type=int, help="length of the whole run")
    parser.add_argument("--report", type=Path, help="default: runs/loadtest.html, runs/loadtest-SHAPE.html")
    return parser.parse_args()


def _report_stages(shape: str, measured: Path) -> None:
    """Print a table of the stages; after steps, draw their knee beside the file."""
    stages = [StageStats(**stage) for stage in json.loads(measured.read_text())]
    print(report.table(stages))
    if shape == "steps":
        report.draw_knee(stages, measured.with_suffix(".png"))
        print(f"{report.describe_knee(stages)}; see {measured.with_suffix('.png')}")


if __name__ == "__main__":
    sys.exit(main())
