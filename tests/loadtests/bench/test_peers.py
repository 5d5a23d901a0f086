"""The servers of the benchmark: versions, processes; and once, short, a real one."""

import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from loadtests.bench import processes
from loadtests.bench.contenders import CONTENDERS, ContenderError, install, versions
from loadtests.server import REPO

pytestmark = pytest.mark.bench

LOCKS = REPO / "loadtests" / "peers" / "locks"
PEERS = [name for name in CONTENDERS if name != "glimpse"]


@pytest.mark.parametrize("name", PEERS)
def test_peers_share_our_versions(name):
    def pins(lock: Path) -> dict[str, set[str]]:
        versions_of: dict[str, set[str]] = {}
        for package, version in re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.MULTILINE):
            versions_of.setdefault(package, set()).add(version)
        return versions_of

    ours, theirs = pins(REPO / "deploy" / "locks" / "serve.txt"), pins(LOCKS / f"{name}.txt")

    for package in ("numpy", "opencv-python-headless", "pillow", "pillow-heif", "pydantic", "onnxruntime"):
        assert theirs[package] == ours[package]
    assert set(versions(CONTENDERS[name])) <= theirs.keys()


def test_marked_processes_are_measured_and_ended():
    mark = uuid.uuid4().hex
    # A grandchild in a session of its own that ignores SIGTERM.
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True);"
        " time.sleep(600)"
    )
    source = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {stubborn!r}], start_new_session=True)\n"
        "time.sleep(600)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", source], env=os.environ | {processes.MARK: mark}, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        marked = [process.pid for process in processes.marked(mark)]
        memory = processes.memory(mark)
    finally:
        processes.end(mark, timeout_s=0.5)
        child.wait()
        child.stdout.close()

    assert len(marked) == 2
    assert child.pid in marked
    assert 0 < memory.largest < 100
    assert memory.together > 0
    assert processes.marked(mark) == []


@pytest.mark.slow
def test_short_bench(tmp_path):
    if shutil.which("wrk") is None:
        pytest.skip("wrk is not installed: apt-get install wrk")
    report, raw = tmp_path / "report.md", tmp_path / "raw.json"
    servers = ["glimpse", "fastapi"]
    try:
        install(CONTENDERS["fastapi"])
    except ContenderError:
        servers.remove("fastapi")
    completed = subprocess.run(
        [sys.executable, "-m", "loadtests.bench", "--only", *servers, "--rows", "digits", "memory",
         "--model", "digits-mlp", "--rounds", "1", "--seconds", "1", "--report", report, "--raw", raw],
        cwd=REPO, capture_output=True, text=True, timeout=600,
    )  # fmt: skip

    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert "| no failures | 0 | met |" in report.read_text()
    samples = json.loads(raw.read_text())["samples"]
    answered = [sample for sample in samples if sample["values"].get("requests_per_s", 0) > 0]
    assert {(sample["server"], sample["case"]["connections"]) for sample in answered} == {
        (server, count) for server in servers for count in (1, 16, 64)
    }
    assert (tmp_path / "bench.png").exists()
