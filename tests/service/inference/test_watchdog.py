"""A model that fails or hangs: its pictures are answered 500 or 504, others go on, and the service is not
ready only where nothing else helps."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loadtests.server import serving
from tests.support.http_calls import CLIENT, post
from tests.support.models.hanging import serving_that_hangs
from tests.support.models.trapped import FATAL, FINE, NAME, failing, no_number, trapped
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def failing_server(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """A server whose model fails on FATAL, in batches of four at most; and its log."""
    folder = tmp_path_factory.mktemp("failing")
    settings = {"log_format": "json", "max_batch_size": "4", "deadline_ms": "120000"}
    with serving(trapped(folder, failing()), folder / "log", **settings) as url:
        yield url, folder / "log"


def failed_pictures(url: str) -> float:
    lines = CLIENT.get(f"{url}/metrics").text.splitlines()
    counter = f'glimpse_pictures_total{{model="{NAME}",outcome="failed"}}'
    return float(next((line.split()[-1] for line in lines if line.startswith(counter)), 0))


def test_a_failing_batch_is_a_500_and_the_queue_goes_on(failing_server):
    url, log = failing_server
    before = failed_pictures(url)
    for _ in range(3):
        failed = CLIENT.post(f"{url}/classify", files={"image": FATAL}, headers={"X-Request-ID": "order-66"})
        assert failed.status_code == 500
        assert failed.headers["content-type"] == "application/problem+json"
        assert "order-66" in failed.json()["detail"]
        assert "Gather" not in failed.text
        assert post(url, image=FINE).json()["label"] == "0"
    many = CLIENT.post(f"{url}/classify/batch", files=[("images", FATAL)] * 3).json()
    assert [answer["error"]["status"] for answer in many["answers"]] == [500] * 3
    assert failed_pictures(url) == before + 6
    wait_until(lambda: any("Gather" in line.get("exception", "") for line in about("order-66", log)))


def about(request_id: str, log: Path) -> list[dict[str, str]]:
    lines = map(json.loads, log.read_text().splitlines())
    return [line for line in lines if line.get("request_id") == request_id]


def test_under_load_only_batches_with_the_fatal_picture_fail(failing_server):
    url, _ = failing_server
    images = [FATAL if number % 10 == 5 else FINE for number in range(200)]
    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(lambda image: (image, post(url, image=image)), images))
    assert post(url, image=FINE).status_code == 200

    assert all(answer.status_code == 500 for image, answer in answers if image is FATAL)
    fine = [answer.status_code for image, answer in answers if image is FINE]
    assert set(fine) <= {200, 500}
    # Each of the twenty takes at most three neighbours with it.
    assert fine.count(500) <= 60
    assert fine.count(200) >= 120


def test_bad_pictures_alone_do_not_make_a_service_unready(failing_server):
    """The same fatal picture over and over: the golden picture is still answered."""
    url, log = failing_server
    for _ in range(12):
        assert post(url, image=FATAL).status_code == 500
        assert CLIENT.get(f"{url}/readyz").status_code == 200
    assert f'glimpse_model_healthy{{model="{NAME}"}} 1.0' in CLIENT.get(f"{url}/metrics").text
    wait_until(lambda: "asking a golden one" in log.read_text())


@pytest.mark.slow
def test_no_number_is_no_answer(tmp_path):
    """A NaN is a 500 for its picture alone, in whichever batch it was."""
    zoo = trapped(tmp_path, no_number())
    images = [FATAL if number % 5 == 2 else FINE for number in range(100)]
    with (
        serving(zoo, tmp_path / "log", deadline_ms="120000") as url,
        ThreadPoolExecutor(16) as clients,
    ):
        answers = list(clients.map(lambda image: (image, post(url, image=image).status_code), images))
        many = CLIENT.post(f"{url}/classify/batch", files=[("images", image) for image in images[:5]])
        metrics = CLIENT.get(f"{url}/metrics").text
    assert all(status == (500 if image is FATAL else 200) for image, status in answers)
    assert ["error" in answer for answer in many.json()["answers"]] == [False, False, True, False, False]
    assert f'glimpse_model_failures_total{{model="{NAME}",reason="error"}} 21.0' in metrics


@pytest.mark.slow
def test_a_hanging_batch_is_a_504_and_the_others_go_on(zoo, tmp_path):
    """Nor does its thread, which never comes back, keep the process from ending."""
    settings = {"batch_seconds": "2", "max_batch_size": "1", "default_classifier": NAME}
    with serving_that_hangs(zoo, tmp_path, **settings) as (url, hang):
        hang.next_run()
        with ThreadPoolExecutor(1) as client:
            hangs = client.submit(post, url)
            wait_until(lambda: hang.has_begun)
            assert post(url).json()["label"] == "7"
            assert hangs.result().status_code == 504
        assert "hangs" in hangs.result().json()["detail"]
        assert post(url).json()["label"] == "7"
        assert CLIENT.get(f"{url}/readyz").status_code == 200
        metrics = CLIENT.get(f"{url}/metrics").text
        assert f'glimpse_model_failures_total{{model="{NAME}",reason="hung"}} 1.0' in metrics
        assert hang.has_begun  # still


@pytest.mark.slow
def test_a_service_whose_model_hangs_is_not_ready_until_it_answers(zoo, tmp_path):
    settings = {"batch_seconds": "0.5", "deadline_ms": "2000", "default_classifier": NAME}
    with serving_that_hangs(zoo, tmp_path, **settings) as (url, hang):

        def is_unready() -> bool:
            # One after the other, so that none is refused for the sake of those before it.
            assert post(url).status_code == 504
            return CLIENT.get(f"{url}/readyz").status_code == 503

        hang.every_run()
        wait_until(is_unready)
        ready = CLIENT.get(f"{url}/readyz")
        assert "does not answer" in ready.json()["detail"]  # of this worker or of another
        assert f'glimpse_model_healthy{{model="{NAME}"}} 0.0' in CLIENT.get(f"{url}/metrics").text
        assert CLIENT.get(f"{url}/livez").status_code == 200

        hang.end()
        wait_until(lambda: CLIENT.get(f"{url}/readyz").status_code == 200)
        assert wait_until(lambda: post(url).json().get("label")) == "7"
        assert f'glimpse_model_healthy{{model="{NAME}"}} 1.0' in CLIENT.get(f"{url}/metrics").text
