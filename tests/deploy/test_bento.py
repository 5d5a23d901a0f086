"""The Bento and the container image: what is in them, and that they serve wherever they are put."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from loadtests.server import REPO, SERVING, started
from tests.support.http_calls import CLIENT

pytestmark = pytest.mark.slow

LOCK = REPO / "deploy" / "locks" / "serve.txt"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """With a Bento store of its own."""
    home = tmp_path_factory.mktemp("bentoml")
    return {
        **os.environ,
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        "ORT_DISABLE_TELEMETRY": "1",
    }


@pytest.fixture(scope="module")
def bento(environment: dict[str, str]) -> Path:
    # From a copy: BentoML packs nothing below a folder whose name starts with a dot.
    source = Path(environment["BENTOML_HOME"]) / "source"
    for name in ("service", "models", "deploy"):
        shutil.copytree(REPO / name, source / name)
    for name in ("bentofile.yaml", "LICENSE", "README.md"):
        shutil.copy(REPO / name, source / name)
    command = [SERVING / "bentoml", "build", "--version", "test"]
    subprocess.run(command, cwd=source, env=environment, check=True)
    return Path(environment["BENTOML_HOME"]) / "bentos" / "glimpse" / "test"


def test_the_bento_holds_the_service_its_models_and_nothing_else(bento: Path) -> None:
    wanted = {"bentofile.yaml"} | {name for name in ("LICENSE", "README.md") if (REPO / name).exists()}
    for package in ("service", "models"):
        wanted |= {
            str(path.relative_to(REPO))
            for path in (REPO / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
    packed = {str(path.relative_to(bento / "src")) for path in (bento / "src").rglob("*") if path.is_file()}
    assert packed == wanted
    assert any(path.startswith("models/zoo/") and path.endswith(".onnx") for path in packed)


def test_the_bento_requires_what_is_locked(bento: Path) -> None:
    requirements = (bento / "env" / "python" / "requirements.txt").read_text()
    pinned = re.compile(r"^([a-z0-9-]+)==", re.MULTILINE)
    assert set(pinned.findall(requirements)) == set(pinned.findall(LOCK.read_text()))
    assert requirements.count("--hash=") == LOCK.read_text().count("--hash=")
    assert not {"torch", "torchvision", "onnx"} & set(pinned.findall(requirements))


@pytest.mark.parametrize("by", ["tag", "path"])
def test_the_bento_serves_from_anywhere(
    by: str, bento: Path, environment: dict[str, str], tmp_path: Path, digit_png: bytes
) -> None:
    command = [SERVING / "bentoml", "serve", "glimpse:test" if by == "tag" else bento]
    with started(command, tmp_path, environment, tmp_path / "log") as url:
        response = CLIENT.post(f"{url}/classify", files={"image": digit_png})

    assert response.status_code == 200, response.text
    assert response.json()["label"] == "7"


@pytest.mark.container
@pytest.mark.skipif(
    not (shutil.which("docker") or shutil.which("podman")),
    reason="docker or podman is not installed: apt-get install podman",
)
def test_the_image() -> None:
    subprocess.run([SERVING / "python", REPO / "deploy" / "image" / "test.py"], check=True)
