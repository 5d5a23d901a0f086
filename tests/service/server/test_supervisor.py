"""The supervisor and real workers that die, hang or never start; how connections are shared out."""

import os
import signal
import subprocess
import sys

import httpx
import psutil
import pytest

from loadtests.server import REPO, serving
from tests.support.processes import has_ended, server_of, workers_of
from tests.support.waiting import WITHIN_S, wait_until

pytestmark = pytest.mark.slow

SCRIPT = """
import os, sys, time
from pathlib import Path
from service.monitoring.shared.worker_group import WorkerGroup
from service.server import supervisor

folder = Path(sys.argv[1])

def run_worker(group, supervisor_pipe):
    mode = sys.argv[2]
    if mode == "never ready":
        sys.exit(7)
    group.open_connections.own = 1
    (folder / str(os.getpid())).touch()
    first = len(list(folder.iterdir())) <= group.size
    while True:
        if not (mode == "one hangs" and first and group.heartbeats.own > 3):
            group.heartbeats.own += 1
        if mode == "one dies" and first and group.heartbeats.own > 3:
            sys.exit(3)
        time.sleep(0.05)

supervisor.CHECK_INTERVAL_S = 0.1
group = WorkerGroup(2)
code = supervisor.Supervisor(group, run_worker, 1.0).run()
print(group.open_connections.total(), file=sys.stderr)
sys.exit(code)
"""


def supervised(folder, mode):
    """A supervisor of two workers in this mode."""
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, folder, mode], cwd=REPO, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("mode", ["one dies", "one hangs"])
def test_a_worker_that_dies_or_hangs_is_replaced(tmp_path, mode):
    process = supervised(tmp_path, mode)
    wait_until(lambda: len(list(tmp_path.iterdir())) >= 4)  # two of them are replacements
    process.terminate()
    _, printed = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0
    assert printed.splitlines()[-1] == "0.0"  # nothing that an ended worker held counts
    pids = [int(file.name) for file in tmp_path.iterdir()]
    assert all(has_ended(pid) for pid in pids)


def test_workers_that_never_start_end_the_service(tmp_path):
    process = supervised(tmp_path, "never ready")
    _, printed = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 1
    assert "before it was ready" in printed


def test_workers_end_with_a_supervisor_that_is_killed(zoo, tmp_path):
    with serving(zoo, tmp_path / "log", workers="2") as url:
        supervisor, workers = server_of(url), workers_of(url)
        assert len(workers) == 2
        os.kill(supervisor, signal.SIGKILL)
        wait_until(lambda: all(has_ended(pid) for pid in workers))


def test_connections_are_shared_out(zoo, tmp_path):
    """As they are kept alive, a worker that took them all would do all the work."""
    with serving(zoo, tmp_path / "log", workers="2") as url:
        clients = [httpx.Client() for _ in range(40)]
        for client in clients:
            client.get(f"{url}/livez").raise_for_status()
        counts = [
            sum(one.status == psutil.CONN_ESTABLISHED for one in psutil.Process(pid).net_connections())
            for pid in workers_of(url)
        ]
        for client in clients:
            client.close()
    assert sum(counts) >= 40
    assert min(counts) >= 10
