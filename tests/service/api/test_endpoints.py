"""The HTTP surface, over real HTTP: pictures are answered, and the service says what it has."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from loadtests.server import REPO
from tests.support.http_calls import CLIENT, PNG, post
from tests.support.images import pictures


@pytest.mark.parametrize("which", [0, 1, 2, 3, 4, 7])
def test_classify_reads_drawn_digits(server, which):
    answer = post(server, image=pictures.encoded(pictures.digit(which))).raise_for_status().json()

    assert answer["label"] == str(which)
    assert answer["model"] == "digits-cnn"
    assert answer["probability"] == max(answer["probabilities"].values())
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert set(answer) == {
        "model", "version", "label", "probability", "probabilities", "familiar", "request_id",
    }  # fmt: skip


def test_classify_reads_a_photo_of_paper(server):
    page = pictures.digit(4, (1600, 1200), (0.55, 0.1, 0.8, 0.5), ink=(40, 50, 130), paper=(214, 209, 196))
    answer = post(server, image=pictures.encoded(page, "JPEG", quality=60)).raise_for_status().json()

    assert answer["label"] == "4"


def test_price_has_an_interval(server, car_png):
    answer = post(server, "/price", car_png).raise_for_status().json()

    assert 1_000 < answer["low"] <= answer["price"] <= answer["high"] < 1_000_000
    assert (answer["currency"], answer["basis"]) == ("USD", "list price when new")
    assert answer["coverage"] == 0.9


@pytest.mark.parametrize("name", ["digits-linear", "digits-mlp", "digits-cnn"])
def test_model_is_chosen_by_name(server, name):
    answer = post(server, model=name).raise_for_status().json()

    assert (answer["model"], answer["label"]) == (name, "7")


def test_a_bare_picture_may_be_the_body(server):
    answer = CLIENT.post(
        f"{server}/classify?model=digits-mlp", content=PNG, headers={"Content-Type": "image/png"}
    )

    assert answer.raise_for_status().json()["model"] == "digits-mlp"


def test_bentoml_client(server, tmp_path):
    path = tmp_path / "seven.png"
    path.write_bytes(PNG)
    code = (
        "import bentoml, json, sys; from pathlib import Path; c = bentoml.SyncHTTPClient(sys.argv[1]);"
        "print(json.dumps([c.classify(image=Path(sys.argv[2])),"
        " c.classify(image=Path(sys.argv[2]), model='digits-mlp')]))"
    )
    done = subprocess.run(
        [REPO / ".venv" / "bin" / "python", "-c", code, server, path],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    default, named = json.loads(done.stdout.splitlines()[-1])

    assert (default["label"], named["label"]) == ("7", "7")
    assert named["model"] == "digits-mlp"


def test_request_id_is_the_clients_or_a_new_one(server):
    url, files = f"{server}/classify", {"image": PNG}
    given_id = CLIENT.post(url, files=files, headers={"X-Request-ID": "order-66"})
    hostile = CLIENT.post(url, files=files, headers={"X-Request-ID": "a b\t<script>"})

    assert given_id.headers["x-request-id"] == given_id.json()["request_id"] == "order-66"
    assert len(hostile.headers["x-request-id"]) == 32


def test_server_timing_names_the_stages(server):
    timing = post(server).headers["server-timing"]

    stages = {stage.split(";dur=")[0]: float(stage.split(";dur=")[1]) for stage in timing.split(", ")}
    assert list(stages) == ["decode", "view", "queue", "infer", "total"]
    assert all(milliseconds >= 0 for milliseconds in stages.values())
    assert sum(stages.values()) - stages["total"] <= stages["total"] + 0.05  # each rounded to 0.01 ms


@pytest.mark.parametrize(
    "path", ["/models", "/metrics", "/classify", "/", "/readyz", "/docs.json", "/nothing"]
)
def test_server_timing_is_on_every_answer(server, path):
    assert "total;dur=" in CLIENT.get(server + path).headers["server-timing"]


def test_many_at_once_each_get_their_own_answer(server):
    which = [0, 1, 2, 3, 4, 7] * 20
    files = {digit: pictures.encoded(pictures.digit(digit)) for digit in set(which)}
    with ThreadPoolExecutor(32) as clients:
        answers = clients.map(lambda digit: post(server, image=files[digit]).json()["label"], which)

        assert list(answers) == [str(digit) for digit in which]


def test_models_shows_the_cards(server):
    models = {model["name"]: model for model in CLIENT.get(f"{server}/models").json()["models"]}

    names = {"digits-linear", "digits-mlp", "digits-cnn", "cars-mlp", "cars-cnn", "cars-transfer"}
    assert names <= set(models)
    assert models["cars-transfer"]["default"]
    assert models["digits-cnn"]["default"]
    assert models["digits-cnn"]["view"] == {"recipe": "digit", "size": 28, "ink": 20}
    assert models["cars-cnn"]["unit"] == "USD"
    assert all(model["device"] in ("cpu", "cuda") for model in models.values())
    assert all("golden" not in model for model in models.values())


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/docs.json", "/schema.json"])
def test_bentoml_still_answers_its_own(server, path):
    assert CLIENT.get(server + path).status_code == 200


def test_docs_declare_a_multipart_form(server):
    paths = CLIENT.get(f"{server}/docs.json").json()["paths"]
    for path in ("/classify", "/price"):
        assert "multipart/form-data" in paths[path]["post"]["requestBody"]["content"]


def test_metrics_count_and_do_not_grow_with_unknown_paths(server):
    post(server)
    CLIENT.get(f"{server}/metrics")
    before = CLIENT.get(f"{server}/metrics").text
    for number in range(20):
        CLIENT.get(f"{server}/unknown-{number}")
    after = CLIENT.get(f"{server}/metrics").text

    assert 'glimpse_requests_total{call="/classify",status="200"}' in before
    assert 'glimpse_stage_seconds_count{model="digits-cnn",stage="infer"}' in before
    assert "unknown-" not in after
    assert len(after.splitlines()) == len(before.splitlines())


def test_page_loads_nothing_from_elsewhere(server):
    page = CLIENT.get(server)

    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for name in ("page.js", "page.css"):
        assert f'"{name}"' in page.text
        assert CLIENT.get(f"{server}/{name}").status_code == 200
    loaded = page.text.replace("xmlns='http://www.w3.org/2000/svg'", "")  # a name, never fetched
    assert "http://" not in loaded
    assert "https://" not in loaded
