"""The peers of the benchmark: versions, processes; and once, short, against a real one."""

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

LOCKS = REPO / "loadtests" / "peers" / "locks"
PEERS = [name for name in CONTENDERS if name != "glimpse"]


@pytest.mark.parametrize("name", PEERS)
def test_peers_open_pictures_and_models_with_the_versions_we_serve_with(name):
    def pins(lock: Path) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for package, version in re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.MULTILINE):
            found.setdefault(package, set()).add(version)
        return found

    ours, theirs = pins(REPO / "deploy" / "locks" / "serve.txt"), pins(LOCKS / f"{name}.txt")

    for package in ("numpy", "opencv-python-headless", "pillow", "pillow-heif", "pydantic", "onnxruntime"):
        assert theirs[package] == ours[package]
    assert set(versions(CONTENDERS[name])) <= theirs.keys()


def test_processes_are_found_and_ended_wherever_they_have_gone():
    mark = uuid.uuid4().hex
    # A grandchild in a session of its own that does not listen to SIGTERM.
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True);"
        " time.sleep(60)"
    )
    source = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {stubborn!r}], start_new_session=True)\n"
        "time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", source], env=os.environ | {processes.MARK: mark}, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        found = processes.marked(mark)
        memory = processes.memory(mark)
        processes.end(mark, patience=0.5)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()

    assert len(found) == 2
    assert child.pid in found
    assert 0 < memory.largest < 100
    assert memory.together > 0
    assert processes.marked(mark) == []


@pytest.mark.slow
def test_a_short_bench_beside_fastapi(tmp_path):
    for program in ("wrk", "h2load"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    try:
        install(CONTENDERS["fastapi"])
    except ContenderError as error:
        pytest.skip(str(error))
    report, raw = tmp_path / "report.md", tmp_path / "raw.json"
    done = subprocess.run(
        [sys.executable, "-m", "loadtests.bench", "--only", "glimpse", "fastapi", "--rows", "digits",
         "--model", "digits-mlp", "--rounds", "1", "--seconds", "1", "--report", report, "--raw", raw],
        cwd=REPO, capture_output=True, text=True, timeout=180,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "| no failures | 0 | met |" in report.read_text()
    samples = json.loads(raw.read_text())["samples"]
    answered = [one for one in samples if one["values"].get("requests_per_s", 0) > 10]
    assert {(one["server"], one["case"]["connections"]) for one in answered} == {
        (server, count) for server in ("glimpse", "fastapi") for count in (1, 16, 64)
    }
    assert (tmp_path / "bench.png").exists()
