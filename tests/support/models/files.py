"""Models that change: their files in several versions, the calls that change them, and what is served."""

import json
from pathlib import Path

import httpx
import onnx

from models.atomic import write_atomically
from models.card import METADATA_KEY
from models.model import ZOO
from tests.support.http_calls import CLIENT, post
from tests.support.waiting import wait_until


def model_file(name="digits-linear", version="", spoil=None, of="digits-linear", training=None) -> bytes:
    """A model of the repository under another name, in another version, with other facts of its training."""
    proto = onnx.load(ZOO / f"{of}.onnx")
    if spoil:
        spoil(proto)
    prop = next(prop for prop in proto.metadata_props if prop.key == METADATA_KEY)
    card = json.loads(prop.value)
    changed = {"name": name, "version": version or card["version"]}
    prop.value = json.dumps(card | changed | {"training": card["training"] | (training or {})})
    return proto.SerializeToString()


def put(zoo: Path, name: str, data: bytes) -> None:
    """Write a model's file into the folder of models, all of it at once."""
    write_atomically(zoo / f"{name}.onnx", data)


def let_watch_pass(url: str, zoo: Path, marker: str = "zz-marker") -> None:
    """Wait until the watch has acted on all that is in the folder.

    It takes files by name, so a bad one that sorts last is refused when the others have had their turn.
    """
    put(zoo, marker, b"not a model")
    wait_until(lambda: "does not open" in index(url).get(marker, {"reason": ""})["reason"])
    (zoo / f"{marker}.onnx").unlink()
    wait_until(lambda: marker not in index(url))


def classify(url: str, model: str | None = None) -> httpx.Response:
    """Ask one model, or the default, for a class."""
    return post(url, **({"model": model} if model else {}))


def version(url: str, model: str | None = None) -> str:
    """The version that answers, or the status of the refusal."""
    answer = classify(url, model)
    return answer.json()["version"] if answer.status_code == 200 else str(answer.status_code)


def index(url: str) -> dict:
    """The repository's entries by name."""
    return {entry["name"]: entry for entry in CLIENT.get(f"{url}/v2/repository/index").json()}


def change(url: str, name: str, verb: str, **options) -> httpx.Response:
    """Load or unload a model by a call."""
    return CLIENT.post(f"{url}/v2/repository/models/{name}/{verb}", **options)


def changes(url: str, outcome: str) -> float:
    """How many changes of models had this outcome: loaded, refused or unloaded."""
    lines = CLIENT.get(f"{url}/metrics").text.splitlines()
    return float(
        next(line for line in lines if f'model_changes_total{{outcome="{outcome}"}}' in line).split()[1]
    )
