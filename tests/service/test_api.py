"""The HTTP surface, over real HTTP: good pictures are answered, bad requests told what to do."""

import json
import shutil
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadtests.server import REPO, serving
from tests import pictures

# Idle connections go before the server's own 5 s are over: one that closes while it is taken up again
# fails a POST, which nobody may send twice unasked.
CLIENT = httpx.Client(timeout=30, limits=httpx.Limits(keepalive_expiry=2))
PNG = pictures.encoded(pictures.digit(7))
JPEG = pictures.encoded(pictures.landscape(320, 240), "JPEG")


no_gpu = pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="a GPU is there")


@pytest.fixture(scope="module", autouse=True)
def _closed_in_the_end():
    yield
    CLIENT.close()


def post(server, path="/classify", image=PNG, **data):
    return CLIENT.post(f"{server}{path}", files={"image": ("p.png", image)}, data=data)


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


@pytest.mark.parametrize(
    ("path", "image", "status"),
    [
        pytest.param("/classify", b"", 422, id="0-bytes"),
        pytest.param("/classify", b"this is text", 415, id="text-named-png"),
        pytest.param("/classify", PNG[: len(PNG) // 2], 422, id="truncated-png"),
        pytest.param("/price", JPEG[: len(JPEG) // 2], 422, id="truncated-jpeg"),
        pytest.param("/price", b"GIF89a", 415, id="only-a-signature"),
    ],
)
def test_bad_pictures(server, path, image, status):
    assert_problem(post(server, path, image), status)


def test_more_pixels_than_allowed(server):
    assert_problem(post(server, image=pictures.encoded(pictures.Image.new("1", (9000, 9000)))), 413)


@pytest.mark.parametrize("path", ["/classify", "/price"])
@pytest.mark.parametrize("model", ["no-such-model", "../digits-cnn", "x" * 10_000, "nul\0", "%00"])
def test_unknown_models(server, path, model):
    problem = assert_problem(post(server, path, model=model), 404)

    assert "there are: " in problem["detail"]


def test_a_classifier_has_no_price(server):
    assert_problem(post(server, "/price", model="digits-cnn"), 404)


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        pytest.param(b"", None, id="empty-body"),
        pytest.param(b"", "multipart/form-data", id="no-boundary"),
        pytest.param(b"", "multipart/form-data; boundary=x", id="empty-form"),
        pytest.param(b"--x\r\n", "multipart/form-data; boundary=x", id="form-breaks-off"),
        pytest.param(b"nonsense", "multipart/form-data; boundary=x", id="no-form"),
        pytest.param(
            b"--x\r\n\xff\xfe: \x00\r\n\r\n--x--\r\n", "multipart/form-data; boundary=x", id="binary"
        ),
        pytest.param(b'{"image": "http://127.0.0.1/"}', "application/json", id="json"),
        pytest.param(b"image=http://127.0.0.1/", "application/x-www-form-urlencoded", id="url"),
        pytest.param(b"\x80\x04.", "application/vnd.bentoml+pickle", id="pickle"),
    ],
)
def test_malformed_forms(server, content, content_type):
    headers = {"Content-Type": content_type} if content_type else {}

    assert_problem(CLIENT.post(f"{server}/classify", content=content, headers=headers), 400)


def test_missing_field(server):
    answer = CLIENT.post(f"{server}/classify", files={"picture": PNG})

    assert "`image` is missing" in assert_problem(answer, 400)["detail"]


def test_field_sent_twice(server):
    answer = CLIENT.post(f"{server}/classify", files=[("image", PNG), ("image", PNG)])

    assert "twice" in assert_problem(answer, 400)["detail"]


def test_a_url_is_never_fetched(server):
    """BentoML would open a URL given in place of a file; here it is a field with bytes."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.5)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/seven.png"
        assert_problem(CLIENT.post(f"{server}/classify", data={"image": url}, files={"model": b""}), 415)
        with pytest.raises(TimeoutError):
            trap.accept()


def test_body_that_is_too_large_is_refused_before_it_is_sent(server):
    """A declared length is refused at once; nothing of the body has to travel."""
    host, port = urlsplit(server).hostname, urlsplit(server).port
    with socket.create_connection((host, port), timeout=10) as connection:
        head = ("POST /classify HTTP/1.1", f"Host: {host}", f"Content-Length: {10**12}", "", "")
        connection.sendall("\r\n".join(head).encode())

        assert connection.recv(4096).startswith(b"HTTP/1.1 413")


def test_body_that_grows_too_large_is_refused(server):
    def chunks():
        for _ in range(40):
            yield bytes(2**20)

    answer = CLIENT.post(f"{server}/classify", content=chunks(), headers={"Content-Type": "image/png"})

    assert_problem(answer, 413)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", "/classify", 405), ("POST", "/models", 405), ("PUT", "/readyz", 405)],
)
def test_wrong_addresses(server, method, path, status):
    assert_problem(CLIENT.request(method, server + path), status)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=400),
        st.binary(max_size=200).map(
            lambda data: b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\n' + data + b"\r\n--x--"
        ),
    ),
    content_type=st.sampled_from(["image/png", "multipart/form-data; boundary=x", "text/plain", "a/b/c;;="]),
)
def test_nothing_that_is_posted_is_a_500(server, content, content_type):
    answer = CLIENT.post(f"{server}/classify", content=content, headers={"Content-Type": content_type})

    assert_problem(answer, answer.status_code)
    assert 400 <= answer.status_code < 500


def assert_problem(answer: httpx.Response, status: int) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"].endswith((".", "!"))
    assert "Traceback" not in answer.text
    assert str(REPO) not in answer.text
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem


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


def test_one_bad_picture_spoils_only_itself(server):
    images = [PNG, PNG[:300], PNG, b"text"] * 8
    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(lambda image: post(server, image=image).status_code, images))

    assert answers == [200, 422, 200, 415] * 8


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


def test_models_trained_on_the_way_are_served(trained_zoo: Path, tmp_path, digit_png, car_png):
    """The whole line: data, training, file, service, answer; defaults fall to what is there."""
    with serving(trained_zoo, tmp_path / "log") as url:
        models = {model["name"] for model in CLIENT.get(f"{url}/models").json()["models"]}
        digit, price = post(url, image=digit_png), post(url, "/price", car_png)

        assert models == {"digits-cnn", "drawn-cars"}
        assert digit.raise_for_status().json()["label"] == "7"
        # A mid-size SUV costs 38,000 before its trim; the drawings' noise is 5 %.
        assert 30_000 < price.raise_for_status().json()["price"] < 75_000


def test_queue_limit_refuses_with_retry_after(trained_zoo, tmp_path, digit_png):
    with serving(trained_zoo, tmp_path / "log", queue_limit="1", max_batch_size="1") as url:
        statuses = []
        barrier = threading.Barrier(24)

        def client() -> None:
            barrier.wait()
            answer = post(url, image=digit_png)
            statuses.append((answer.status_code, answer.headers.get("retry-after")))

        threads = [threading.Thread(target=client) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert set(statuses) <= {(200, None), (503, "1")}
    assert len(statuses) == 24
    assert (200, None) in statuses


@pytest.mark.parametrize(
    ("models", "variables", "said"),
    [
        pytest.param("/nowhere", {}, "is no folder", id="no-folder"),
        pytest.param("", {}, "No .onnx file", id="empty-folder"),
        pytest.param("", {"queue_limit": "-1"}, "GLIMPSE_QUEUE_LIMIT", id="bad-setting"),
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
