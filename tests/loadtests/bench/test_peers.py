"""The servers of the benchmark: versions, installation; and once, short, a real one."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from loadtests import pictures
from loadtests.bench.contenders import CONTENDERS, ContenderError, install, versions
from loadtests.server import REPO, SERVING
from loadtests.subprocesses import UnavailableError, output

pytestmark = pytest.mark.bench

LOCKS = REPO / "loadtests" / "peers" / "locks"
PEERS = [name for name in CONTENDERS if name != "glimpse"]


def pins(lock: Path) -> dict[str, set[str]]:
    versions_of: dict[str, set[str]] = {}
    for package, version in re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.MULTILINE):
        versions_of.setdefault(package, set()).add(version)
    return versions_of


@pytest.mark.parametrize("name", PEERS)
def test_peers_share_our_versions(name):
    lock = CONTENDERS[name].lock
    ours, theirs = pins(REPO / "deploy" / "locks" / "serve.txt"), pins(lock)
    override = lock.with_suffix(".override")
    overridden = pins(override) if override.exists() else {}

    for package in ("numpy", "opencv-python-headless", "pillow", "pillow-heif", "pydantic", "onnxruntime"):
        assert theirs[package] == overridden.get(package, ours[package])
    assert set(versions(CONTENDERS[name])) <= theirs.keys()


def test_what_a_peer_needs_is_named(tmp_path):
    contender = dataclasses.replace(CONTENDERS["pytriton"], needs={tmp_path / "python3.11": "python3.11"})

    with pytest.raises(
        UnavailableError, match=r"python3\.11, which is missing; `apt-get install python3\.11`"
    ):
        install(contender)


def test_label_of_a_binary_response():
    head, tensor = b'{"outputs": []}', b"\x05\x00\x00\x00seven" + b"\x00" * 44
    response = httpx.Response(200, headers={"Inference-Header-Content-Length": "15"}, content=head + tensor)

    assert CONTENDERS["pytriton"].read_label(response) == "seven"


@pytest.mark.slow
def test_bare_loop_counts_all_processes(tmp_path):
    if not SERVING.exists():
        pytest.skip("there is no serving environment")
    file = tmp_path / "digit.png"
    file.write_bytes(pictures.digits("digits-mlp")[0].content)
    figures = [
        json.loads(output([
            SERVING / "python", "-m", "loadtests.bench.baseline", "digits-mlp", file,
            "--seconds", "0.5", "--processes", str(count),
        ]))
        for count in (1, 2)
    ]  # fmt: skip

    for one in figures:
        assert one.keys() == {"requests_per_s", "cpu_ms", "p50_ms"}
        assert min(one.values()) > 0
    # The CPU time of a picture cannot be longer than all the processes had.
    assert figures[1]["cpu_ms"] <= 1.1 * 2e3 / figures[1]["requests_per_s"]


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
        [sys.executable, "-m", "loadtests.bench", "--only", *servers, "--rows", "raw", "memory",
         "--model", "digits-mlp", "--rounds", "1", "--seconds", "1", "--report", report, "--raw", raw],
        cwd=REPO, capture_output=True, text=True, timeout=600,
    )  # fmt: skip

    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert "| no failure | 0 | met |" in report.read_text()
    samples = json.loads(raw.read_text())["samples"]
    loads = [sample for sample in samples if sample["case"]["row"] == "raw"]
    assert {(sample["server"], sample["case"]["connections"]) for sample in loads} == {
        (server, count) for server in servers for count in (1, 16, 64)
    }
    assert all(sample["values"]["cpu_ms"] > 0 for sample in loads)
    assert {sample["case"]["connections"] for sample in samples if sample["server"] == "bare"} == {
        1, os.cpu_count()
    }  # fmt: skip
    assert len(list(tmp_path.glob("bench-*.png"))) == 1
