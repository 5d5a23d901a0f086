"""A model that fails while it runs: its pictures are answered 500 or 504, the log says why, everybody else
goes on, and only where nothing else helps is the service not ready."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loadtests.server import serving
from tests.support.http_calls import CLIENT
from tests.support.models.trapped import FATAL, FINE, NAME, failing, hanging, no_number, trapped


@pytest.fixture
def zoo(tmp_path) -> Path:
    return trapped(tmp_path, failing())


def post(url, image):
    return CLIENT.post(f"{url}/classify", files={"image": image})


def test_a_failing_batch_is_a_500_and_the_queue_goes_on(zoo, tmp_path):
    log = tmp_path / "log"
    with serving(zoo, log, log_format="json") as url:
        for _ in range(3):
            failed = CLIENT.post(
                f"{url}/classify", files={"image": FATAL}, headers={"X-Request-ID": "order-66"}, timeout=30
            )
            assert failed.status_code == 500
            assert failed.headers["content-type"] == "application/problem+json"
            assert "order-66" in failed.json()["detail"]
            assert "Gather" not in failed.text
            assert post(url, FINE).json()["label"] == "0"
        many = CLIENT.post(f"{url}/classify/batch", files=[("images", FATAL)] * 3).json()
        assert [answer["error"]["status"] for answer in many["answers"]] == [500] * 3
        metrics = CLIENT.get(f"{url}/metrics").text
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


def test_no_number_is_no_answer(tmp_path):
    """A NaN is a 500 for its picture alone, in whichever batch it was."""
    with serving(trapped(tmp_path, no_number()), tmp_path / "log") as url, ThreadPoolExecutor(16) as clients:
        images = [FATAL if number % 5 == 2 else FINE for number in range(100)]
        answers = list(clients.map(lambda image: (image, post(url, image).status_code), images))
        many = CLIENT.post(
            f"{url}/classify/batch", files=[("images", image) for image in images[:5]], timeout=30
        )
        metrics = CLIENT.get(f"{url}/metrics").text
    assert all(status == (500 if image is FATAL else 200) for image, status in answers)
    assert ["error" in answer for answer in many.json()["answers"]] == [False, False, True, False, False]
    assert f'glimpse_model_failures_total{{model="{NAME}",reason="error"}} 21.0' in metrics


def test_bad_pictures_alone_do_not_make_a_service_unready(zoo, tmp_path):
    """Whoever sends the same fatal picture over and over: the golden picture is still answered."""
    log = tmp_path / "log"
    with serving(zoo, log) as url:
        for _ in range(12):
            assert post(url, FATAL).status_code == 500
            assert CLIENT.get(f"{url}/readyz").status_code == 200
        assert f'glimpse_model_healthy{{model="{NAME}"}} 1.0' in CLIENT.get(f"{url}/metrics").text
    assert "asking a golden one" in log.read_text()


def test_a_batch_that_hangs_is_a_504_and_the_others_go_on(tmp_path):
    with serving(trapped(tmp_path, hanging(120)), tmp_path / "log", batch_seconds="0.3") as url:
        with ThreadPoolExecutor(1) as client:
            hangs = client.submit(post, url, FATAL)
            time.sleep(0.1)
            began = time.monotonic()
            assert post(url, FINE).json()["label"] == "0"
            assert hangs.result().status_code == 504
        assert "hangs" in hangs.result().json()["detail"]
        assert time.monotonic() - began < 20
        assert CLIENT.get(f"{url}/readyz").status_code == 200
        metrics = CLIENT.get(f"{url}/metrics").text
    assert f'glimpse_model_failures_total{{model="{NAME}",reason="hung"}} 1.0' in metrics


@pytest.mark.slow
def test_where_every_place_hangs_it_is_not_ready_until_one_comes_back(tmp_path):
    places = (os.cpu_count() or 1) + 4
    zoo = trapped(tmp_path, hanging(120))
    with serving(zoo, tmp_path / "log", batch_seconds="0.3", max_batch_size="1", deadline_ms="2000") as url:
        with ThreadPoolExecutor(places) as clients:
            statuses = {
                answer.status_code for answer in clients.map(lambda _: post(url, FATAL), range(places))
            }
        assert statuses == {504}
        until = time.monotonic() + 20
        while (ready := CLIENT.get(f"{url}/readyz")).status_code == 200:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert ready.json()["detail"].startswith(f"{NAME} does not answer")
        assert f'glimpse_model_healthy{{model="{NAME}"}} 0.0' in CLIENT.get(f"{url}/metrics").text
        assert CLIENT.get(f"{url}/livez").status_code == 200
        until = time.monotonic() + 60
        while CLIENT.get(f"{url}/readyz").status_code != 200:
            assert time.monotonic() < until
            time.sleep(0.2)
        assert post(url, FINE).json()["label"] == "0"
        assert f'glimpse_model_healthy{{model="{NAME}"}} 1.0' in CLIENT.get(f"{url}/metrics").text


@pytest.mark.slow
def test_a_thread_that_never_comes_back_does_not_keep_the_process(tmp_path):
    with serving(trapped(tmp_path, hanging(4000)), tmp_path / "log", batch_seconds="0.3") as url:
        assert post(url, FATAL).status_code == 504
        began = time.monotonic()
    assert time.monotonic() - began < 15  # serving waits for its end
