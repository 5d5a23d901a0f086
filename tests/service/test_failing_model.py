"""A model that fails while it runs: its batch is answered 500, the log says why, everybody else goes on."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from loadtests.server import serving
from models.picture import open_picture
from models.zoo import ZOO, open_model
from tests import pictures

NAME = "digits-linear"
FINE, FATAL = pictures.encoded(pictures.digit(0)), pictures.encoded(pictures.digit(1))


@pytest.fixture
def zoo(tmp_path) -> Path:
    """digits-linear, with a lookup that has no entry for a one's ink in the middle of the picture.

    Its golden pictures have none there, so the file passes every check.
    """
    model = open_model(ZOO / f"{NAME}.onnx")
    view = model.card.view
    fine, fatal = (view(open_picture(data, view.shorter_side)) for data in (FINE, FATAL))
    bad = (fatal > 200) & (fine < 200) & (model.card.golden.unpack().max(0) < 200)
    row, column, _ = np.argwhere(bad)[0]

    proto = onnx.load(ZOO / f"{NAME}.onnx")
    graph = proto.graph
    familiarity = next(output for output in graph.output if output.name == "familiarity")
    for node in graph.node:
        node.output[:] = ["was_familiarity" if name == "familiarity" else name for name in node.output]
    constants = {
        "starts": np.array([row, column], np.int64),
        "ends": np.array([row + 1, column + 1], np.int64),
        "axes": np.array([1, 2], np.int64),
        "flat": np.array([-1], np.int64),
        "table": np.zeros(200, np.float32),
    }
    for name, values in constants.items():
        graph.initializer.append(onnx.numpy_helper.from_array(values, f"trap_{name}"))
    graph.node.extend([
        helper.make_node("Slice", ["pixels", "trap_starts", "trap_ends", "trap_axes"], ["trap_pixel"]),
        helper.make_node("Reshape", ["trap_pixel", "trap_flat"], ["trap_value"]),
        helper.make_node("Cast", ["trap_value"], ["trap_index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["trap_table", "trap_index"], ["trap_found"]),
        helper.make_node("Add", ["was_familiarity", "trap_found"], [familiarity.name]),
    ])  # fmt: skip
    onnx.save(proto, tmp_path / f"{NAME}.onnx")
    return tmp_path


def post(url, image):
    return httpx.post(f"{url}/classify", files={"image": image}, timeout=30)


def test_a_failing_batch_is_a_500_and_the_queue_goes_on(zoo, tmp_path):
    log = tmp_path / "log"
    with serving(zoo, log, log_format="json") as url:
        for _ in range(3):
            failed = httpx.post(
                f"{url}/classify", files={"image": FATAL}, headers={"X-Request-ID": "order-66"}, timeout=30
            )
            assert failed.status_code == 500
            assert failed.headers["content-type"] == "application/problem+json"
            assert "order-66" in failed.json()["detail"]
            assert "Gather" not in failed.text
            assert post(url, FINE).json()["label"] == "0"
        many = httpx.post(f"{url}/classify/batch", files=[("images", FATAL)] * 3, timeout=30).json()
        assert [answer["error"]["status"] for answer in many["answers"]] == [500] * 3
        metrics = httpx.get(f"{url}/metrics").text
    assert f'glimpse_pictures_total{{model="{NAME}",outcome="failed"}} 6.0' in metrics
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    said = [line for line in lines if line.get("request_id") == "order-66"]
    assert any("Gather" in line.get("exception", "") for line in said)


def test_under_load_only_batches_with_the_fatal_picture_fail(zoo, tmp_path):
    images = [FATAL if number % 10 == 5 else FINE for number in range(200)]
    with (
        serving(zoo, tmp_path / "log", max_batch_size="4") as url,
        ThreadPoolExecutor(16) as clients,
    ):
        answers = list(clients.map(lambda image: (image, post(url, image)), images))
        assert post(url, FINE).status_code == 200

    assert all(answer.status_code == 500 for image, answer in answers if image is FATAL)
    fine = [answer.status_code for image, answer in answers if image is FINE]
    assert set(fine) <= {200, 500}
    # Each of the twenty takes at most three neighbours with it.
    assert fine.count(500) <= 60
    assert fine.count(200) >= 120
