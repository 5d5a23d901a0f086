"""What a client says is data: no URL is fetched, no pickle read, no file written, nothing logged."""

import io
import os
import pickle
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from loadtests.server import REPO, SERVING, serving
from models.model import ZOO
from tests.support.http_calls import CLIENT, PNG
from tests.support.images import pictures
from tests.support.waiting import wait_until

CALLS = ["/classify", "/price", "/classify/batch", "/price/batch"]


class _Harm:
    """Creates a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize(
    "content_type", ["application/vnd.bentoml+pickle", "application/vnd.bentoml.pickle", "image/png"]
)
def test_no_pickle_is_read(client: httpx.Client, tmp_path, path, content_type):
    harm = pickle.dumps(_Harm(tmp_path / "harmed"))
    pickle.loads(pickle.dumps(_Harm(tmp_path / "works")))
    assert (tmp_path / "works").exists()

    sent = client.post(
        path, content=harm, headers={"Content-Type": content_type, "Payload-Container": "pickle"}
    )
    named = "images" if path.endswith("batch") else "image"
    part = client.post(path, files={named: ("a.pkl", harm, content_type)})

    assert sent.status_code in (400, 415)
    assert part.status_code in (200, 415)  # a batch answers each picture in its place
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("path", CALLS)
def test_no_url_is_fetched(client: httpx.Client, path):
    named = "images" if path.endswith("batch") else "image"
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.3)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/seven.png"
        svg = f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/></svg>'
        answers = [
            client.post(path, data={named: url}, files={"x": b""}),
            client.post(path, data={named: f'"{url}"'}, files={"x": b""}),
            client.post(path, files={named: ("a.url", url, "text/uri-list")}),
            client.post(path, data={named: url}),
            client.post(path, json={named: url}),
            client.post(path, json={named: f"file://{__file__}"}),
            client.post(path, files={named: ("a.svg", svg, "image/svg+xml")}),
            client.post(path, files={named: PNG}, data={"model": url}),
            client.post(
                path, params={"model": url, named: url}, files={named: PNG}, headers={"Referer": url}
            ),
        ]
        with pytest.raises(TimeoutError):
            trap.accept()

    assert {answer.status_code for answer in answers} <= {200, 400, 404, 415}


def test_uploads_are_neither_written_nor_logged(client: httpx.Client, attacked):
    """A marker in every place of a request, then a look at the disk and the log."""
    marker = "harpsichord-4711"
    text = pictures.Image.new("RGB", (2000, 1500), (200, 90, 30))
    photo = io.BytesIO()
    text.save(photo, "JPEG", comment=marker.encode())
    for image in (PNG, PNG[:200], marker.encode() * 200_000, photo.getvalue()):
        client.post("/price", files={"image": (f"{marker}.png", image)}, data={"model": marker})
        client.post("/price", files={"image": (f"{marker}.png", image)}, data={marker: marker})
        client.post("/classify/batch", files=[("images", (marker, image))] * 3)
        client.post(f"/classify?model={marker}", content=image, headers={"Content-Type": f"image/{marker}"})
        client.get(f"/{marker}", headers={"Cookie": marker, "Authorization": marker, "User-Agent": marker})
    wait_until(lambda: "POST /price: 200" in attacked.log.read_text())
    log = attacked.log.read_text()

    assert marker not in log
    # BentoML makes an empty folder for clients of other services, the workers one for what they count.
    written = [path for path in attacked.temporary.rglob("*") if path.is_file()]
    assert {path.parent.name.partition("-")[0] for path in written} <= {"glimpse"}
    assert {path.suffix for path in written} <= {".counts", ".db"}
    assert all(marker.encode() not in path.read_bytes() for path in written)


def test_the_page_names_nothing_from_elsewhere(client: httpx.Client):
    policy = client.get("/").headers["content-security-policy"]

    for rule in ("default-src 'self'", "object-src 'none'", "frame-ancestors 'none'", "form-action 'none'"):
        assert rule in policy


@pytest.mark.slow
def test_only_the_formats_of_the_settings_open(tmp_path):
    scene = pictures.landscape(60, 40)
    with serving(ZOO, tmp_path / "log", formats="PNG,JPEG") as url:
        for kind, status in (("PNG", 200), ("JPEG", 200), ("WEBP", 415), ("TIFF", 415), ("GIF", 415)):
            answer = CLIENT.post(f"{url}/classify", files={"image": pictures.encoded(scene, kind)})
            assert answer.status_code == status, kind
    assert answer.json()["detail"] == "This is not a picture; send one of PNG, JPEG."


def test_no_library_reports_its_use():
    """What BentoML and onnxruntime look at before they report to their makers."""
    names = ("BENTOML_DO_NOT_TRACK", "ORT_DISABLE_TELEMETRY")
    script = (
        "import service.service; from bentoml._internal.utils.analytics.usage_stats import do_not_track;"
        " import os; print(do_not_track(), os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    environment = {name: value for name, value in os.environ.items() if name not in names}
    command = [SERVING / "python", "-c", script]
    ended = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True)

    assert ended.stdout.split() == ["True", "1"], ended.stderr
