"""Tries the container image for real: builds it, runs it locked down, asks it over HTTP, and cleans up.

    .venv/bin/python deploy/image/test.py

Needs docker or podman. As root on Debian it installs podman where neither answers, and makes its
own base image where no registry can be reached. BASE and CUDA mean what they mean to build.sh.
"""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from PIL import Image, ImageDraw

HERE = Path(__file__).parent
NAME = f"glimpse-test-{os.getpid()}"
"""Of the image and of the container."""
READY_WITHIN_S = 120.0

# What a careful operator allows: nothing to write but /tmp, no capability, few files and processes.
LOCKED = (
    "--read-only", "--tmpfs=/tmp", "--cap-drop=all", "--security-opt=no-new-privileges",
    "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024",
)  # fmt: skip


def main() -> None:
    """Build, run, ask, look inside, clean up."""
    # A run that is stopped with `kill` shall leave no container behind either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    engine = find_engine()
    with built_image(engine):
        with running(engine) as url:
            check_answers(url)
            check_inside(engine)
        # As SageMaker starts every image, which then listens on another port.
        with running(engine, "serve", port=8080) as url:
            check_answers(url)
            check_health(engine)


def find_engine() -> str:
    """The container engine that answers: docker or podman."""
    for engine in ("docker", "podman"):
        if shutil.which(engine) and works(engine, "info"):
            return engine
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit("Neither docker nor podman answers; install one of them and start it.")
    print("Neither docker nor podman answers; installing podman.", flush=True)
    run("apt-get", "update", "-qq")
    run("apt-get", "install", "-qq", "--no-install-recommends", "podman", "runc")
    return "podman"


@contextmanager
def built_image(engine: str) -> Iterator[None]:
    """An image NAME for the length of the block."""
    # Without layers podman leaves nothing behind; docker has a build cache that it clears itself.
    environment = {**os.environ, "ENGINE": engine, "IMAGE": NAME, "BUILDAH_LAYERS": "false"}
    usual_base = re.search(r"^ARG BASE=(.+)$", (HERE / "Dockerfile").read_text(), re.MULTILINE)
    assert usual_base
    try:
        if "BASE" not in environment and not works(engine, "pull", usual_base[1]):
            print(f"{usual_base[1]} cannot be pulled; making a base image.", flush=True)
            environment["BASE"] = f"{NAME}-base"
            run(HERE / "base.sh", environment["BASE"], env=environment)
        started = time.monotonic()
        run(HERE / "build.sh", env=environment)
        size = int(output(engine, "image", "inspect", "--format={{.Size}}", NAME))
        print(f"built in {time.monotonic() - started:.0f} s, {size / 1e6:.0f} MB", flush=True)
        yield
    finally:
        works(engine, "rmi", "--force", NAME, f"{NAME}-base")


@contextmanager
def running(engine: str, *arguments: str, port: int = 3000) -> Iterator[str]:
    """The base URL of a container that runs the image and is ready.

    Args:
        engine: docker or podman.
        arguments: Of the image.
        port: That it listens on with these.
    """
    started = time.monotonic()
    try:
        published = f"--publish=127.0.0.1::{port}"
        run(engine, "run", "--detach", f"--name={NAME}", published, *LOCKED, NAME, *arguments)
        url = "http://" + output(engine, "port", NAME, f"{port}/tcp")
        wait_until_ready(url)
        print(f"ready after {time.monotonic() - started:.1f} s", flush=True)
        yield url
    except Exception:
        subprocess.run([engine, "logs", NAME])
        raise
    finally:
        works(engine, "rm", "--force", NAME)


def wait_until_ready(url: str) -> None:
    """Raise AssertionError where the service is not ready within READY_WITHIN_S."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"not ready after {READY_WITHIN_S:.0f} s")


def check_answers(url: str) -> None:
    """A drawn digit is classified, a drawn car is priced."""
    answer = post(f"{url}/classify", drawn_digit())
    assert answer["label"] in answer["probabilities"]
    assert abs(sum(answer["probabilities"].values()) - 1) < 1e-3
    answer = post(f"{url}/price", drawn_car())
    assert answer["low"] <= answer["price"] <= answer["high"]


def post(url: str, image: Image.Image) -> dict[str, Any]:
    """The JSON that answers a picture."""
    png = io.BytesIO()
    image.save(png, "PNG")
    response = httpx.post(url, files={"image": ("picture.png", png.getvalue())}, timeout=30)
    print(url.rpartition("/")[2], response.status_code, response.text)
    assert response.status_code == 200
    answer: dict[str, Any] = response.json()
    return answer


def drawn_digit() -> Image.Image:
    """A seven in pen on paper."""
    image = Image.new("RGB", (280, 280), "white")
    ImageDraw.Draw(image).line([(75, 60), (205, 55), (120, 225)], fill=(25, 25, 30), width=16, joint="curve")
    return image


def drawn_car() -> Image.Image:
    """A red car from the side, on a road."""
    image = Image.new("RGB", (640, 480), (190, 205, 215))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 360, 640, 480), fill=(90, 90, 90))
    draw.polygon([(190, 250), (250, 180), (430, 180), (490, 250)], fill=(40, 60, 80))
    draw.rounded_rectangle((80, 245, 570, 350), 30, fill=(170, 30, 35))
    for x in (185, 465):
        draw.ellipse((x - 50, 300, x + 50, 400), fill=(20, 20, 20))
    return image


def check_inside(engine: str) -> None:
    """The container is locked down, and has what it needs and nothing else."""
    inside = (engine, "exec", NAME)
    assert int(output(*inside, "id", "-u")) != 0, "it runs as root"
    assert works(*inside, "python3", "-c", "import onnxruntime")
    assert not works(*inside, "python3", "-c", "import torch"), "torch is in the image"
    assert not works(*inside, "touch", "/bento/x"), "the service could change its own code"
    check_health(engine)
    log = subprocess.run([engine, "logs", NAME], capture_output=True, text=True)
    assert "telemetry" not in log.stdout + log.stderr, "onnxruntime reports to its maker"


def check_health(engine: str) -> None:
    """The image's own health check finds the service."""
    probe = json.loads(output(engine, "inspect", "--format={{json .Config.Healthcheck.Test}}", NAME))
    assert works(engine, "exec", NAME, *probe[1:]), "its own health check fails"


def run(*command: str | Path, env: dict[str, str] | None = None) -> None:
    """Run a command. Raises where it fails."""
    subprocess.run(command, check=True, env=env)


def output(*command: str) -> str:
    """What a command prints. Raises where it fails."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def works(*command: str) -> bool:
    """Whether a command succeeds."""
    return subprocess.run(command, capture_output=True).returncode == 0


if __name__ == "__main__":
    main()
