"""The port that the service listens on: what it is told, or what the platform expects."""

import subprocess

import pytest

from loadtests.server import REPO, SERVING, free_port
from service.launch import healthcheck
from service.launch.options import read_options
from service.launch.port import ANNOUNCED, PortError, default_port

PLAIN = [SERVING / "python", "-m", "service.launch.healthcheck"]


@pytest.mark.parametrize(
    ("environment", "word", "port"),
    [
        ({}, None, 3000),
        ({}, "serve", 8080),
        ({"PORT": "5000"}, "serve", 5000),
        ({"PORT": "5000", "AIP_HTTP_PORT": "6000"}, None, 6000),
        ({"PORT": "5000", "AIP_HTTP_PORT": "6000", "SAGEMAKER_BIND_TO_PORT": "7000"}, "serve", 7000),
        ({"PORT": ""}, None, 3000),
    ],
)
def test_the_platform_says_which_port(environment, word, port):
    assert default_port(environment, word) == port


@pytest.mark.parametrize("text", ["http", "0", "65536", "-1", "80 ", "٣"])
def test_what_is_no_port_is_told_by_its_variable(text):
    with pytest.raises(PortError, match="AIP_HTTP_PORT"):
        default_port({"AIP_HTTP_PORT": text})


def test_a_port_that_is_told_comes_first(monkeypatch):
    monkeypatch.setenv("PORT", "5000")

    assert read_options(["serve", "--port", "4000"]).port == 4000
    assert read_options([]).port == 5000


@pytest.mark.parametrize(
    ("command", "port"),
    [
        ("python3 -m service serve", 8080),
        ("/sbin/docker-init -- python3 -m service --port 4000", 4000),
        ("sleep infinity", 3000),
    ],
)
def test_the_health_check_reads_what_the_container_was_started_with(tmp_path, monkeypatch, command, port):
    for name in ANNOUNCED:
        monkeypatch.delenv(name, raising=False)
    first = tmp_path / "cmdline"
    first.write_bytes(command.replace(" ", "\0").encode() + b"\0")
    monkeypatch.setattr(healthcheck, "FIRST_PROCESS", first)

    assert read_options(healthcheck._arguments()).port == port


def test_the_health_check_asks_where_the_service_listens(server, monkeypatch):
    for name in ANNOUNCED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PORT", server.rpartition(":")[2])
    assert subprocess.run(PLAIN, cwd=REPO).returncode == 0

    monkeypatch.setenv("PORT", str(free_port()))
    nobody = subprocess.run(PLAIN, cwd=REPO, capture_output=True, text=True)
    assert (nobody.returncode, nobody.stderr[:9]) == (1, "not ready")
