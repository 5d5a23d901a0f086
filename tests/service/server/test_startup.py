"""What a server starts with: no torch, any folder of models, settings; and why it does not."""

import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loadtests.server import REPO, serving
from tests.support.http_calls import CLIENT, post

pytestmark = pytest.mark.slow

no_gpu = pytest.mark.skipif(
    shutil.which("nvidia-smi") is not None,
    reason="no machine without an NVIDIA GPU: run on one",
)


def test_serving_environment_has_no_torch():
    python = REPO / ".venv" / "bin" / "python"
    code = (
        "import importlib.util, sys, service.service;"
        "sys.exit(importlib.util.find_spec('torch') is not None or 'torch' in sys.modules)"
    )

    subprocess.run([python, "-c", code], cwd=REPO, check=True)


def test_serving_never_imports_torch_where_it_is_installed(digit_png, tmp_path):
    """In the training environment, where it could: open the zoo and answer without it."""
    (tmp_path / "seven.png").write_bytes(digit_png)
    code = """
import asyncio, sys
from pathlib import Path
from service.service import Glimpse
glimpse = Glimpse.inner()
picture = Path(sys.argv[1]).read_bytes()
answer = asyncio.run(type(glimpse).classify.func(glimpse, picture))
assert answer.label == "7", answer
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "seven.png")], cwd=REPO, check=True)


@pytest.mark.slow
def test_models_trained_on_the_way_are_served(trained_zoo: Path, tmp_path, digit_png, car_png):
    """The whole line: data, training, file, service, answer; defaults fall to what is there."""
    with serving(trained_zoo, tmp_path / "log") as url:
        models = {model["name"] for model in CLIENT.get(f"{url}/models").json()["models"]}
        digit, price = post(url, image=digit_png), post(url, "/price", car_png)

        assert models == {"digits-cnn", "drawn-cars"}
        assert digit.raise_for_status().json()["label"] == "7"
        # A mid-size SUV costs 38,000 before its trim; the drawings' noise is 5 %.
        assert 30_000 < price.raise_for_status().json()["price"] < 75_000


def test_queue_limit_refuses_with_retry_after(zoo, tmp_path, digit_png):
    with (
        serving(zoo, tmp_path / "log", queue_limit="1", max_batch_size="1") as url,
        ThreadPoolExecutor(24) as clients,
    ):
        barrier = threading.Barrier(24)

        def ask(_: int) -> tuple[int, bool]:
            barrier.wait()
            answer = post(url, image=digit_png)
            return answer.status_code, int(answer.headers.get("retry-after", 0)) >= 1

        statuses = list(clients.map(ask, range(24)))

    assert set(statuses) <= {(200, False), (503, True)}
    assert (200, False) in statuses


def test_bad_settings_are_all_named(zoo, tmp_path):
    """Each with what it may be; no value is, as it may be a key."""
    bad = {"queue_limit": "-1", "api_keys": "too-short-key", "rate_limit": "-1", "formats": "PNG,EPS"}
    log = tmp_path / "log"
    with pytest.raises(AssertionError, match="ended with 1"), serving(zoo, log, **bad):
        pass
    said = log.read_text()
    assert all(f"GLIMPSE_{name.upper()}" in said for name in bad)
    assert "too-short-key" not in said


@pytest.mark.parametrize(
    ("models", "variables", "said"),
    [
        pytest.param("/nowhere", {}, "is no folder", id="no-folder"),
        pytest.param("", {}, "No .onnx file", id="empty-folder"),
        pytest.param("", {"device": "cuda"}, "GLIMPSE_DEVICE=cuda, but", id="no-gpu", marks=no_gpu),
    ],
)
def test_a_server_that_cannot_serve_says_why(tmp_path, models, variables, said):
    log = tmp_path / "log"

    with (
        pytest.raises(AssertionError, match="ended with 1"),
        serving(Path(models or tmp_path), log, **variables),
    ):
        pass

    assert said in log.read_text()
