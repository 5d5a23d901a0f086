"""Models that change: their files in several versions, the calls that change them, and what is served."""

import json
import time
from pathlib import Path

import httpx
import onnx

from models.card import METADATA_KEY
from models.model import ZOO
from tests.support.http_calls import PNG

WITHIN = 20.0


def model_file(name="digits-linear", version="", spoil=None, of="digits-linear") -> bytes:
    """A model of the repository under another name, in another version."""
    proto = onnx.load(ZOO / f"{of}.onnx")
    if spoil:
        spoil(proto)
    prop = next(prop for prop in proto.metadata_props if prop.key == METADATA_KEY)
    card = json.loads(prop.value)
    prop.value = json.dumps(card | {"name": name, "version": version or card["version"]})
    return proto.SerializeToString()


def put(zoo: Path, name: str, data: bytes) -> None:
    """All of it at once, as one should."""
    beside = zoo / f".{name}.new"
    beside.write_bytes(data)
    beside.replace(zoo / f"{name}.onnx")


def classify(url, model=None, **options) -> httpx.Response:
    return httpx.post(
        f"{url}/classify", files={"image": PNG}, data={"model": model} if model else {}, timeout=30, **options
    )


def version(url, model=None) -> str:
    answer = classify(url, model)
    return answer.json()["version"] if answer.status_code == 200 else str(answer.status_code)


def index(url) -> dict:
    return {entry["name"]: entry for entry in httpx.get(f"{url}/v2/repository/index").json()}


def change(url, name, verb, **options) -> httpx.Response:
    return httpx.post(f"{url}/v2/repository/models/{name}/{verb}", timeout=90, **options)


def changes(url, outcome) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return float(
        next(line for line in lines if f'model_changes_total{{outcome="{outcome}"}}' in line).split()[1]
    )


def eventually(wanted, what) -> None:
    until = time.monotonic() + WITHIN
    while (found := what()) != wanted and time.monotonic() < until:
        time.sleep(0.1)
    assert found == wanted
