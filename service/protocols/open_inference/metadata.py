"""What the server is, and what each model takes and gives, in the protocol's terms and in Triton's.

Sources: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_configuration.md
"""

from collections.abc import Iterator, Sequence
from typing import Any

from starlette.responses import Response

from models.card import Card
from service.application import Application
from service.http.asgi_types import Receive, Scope
from service.http.bodies.body import RequestHead
from service.http.endpoint import READ, Endpoint
from service.http.problems import render_error
from service.inference.device import batch_size
from service.protocols.open_inference.served import MODEL, VERSION, json_response, served_engine
from service.protocols.open_inference.tensors import TensorSpec, inputs_of, outputs_of
from service.protocols.openapi import open_inference as openapi

SERVER_VERSION = "0.1.0"
"""As in pyproject.toml, which an image does not have."""

EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "statistics")
REPOSITORY = "model_repository"
"""An extension only where models may be loaded by calls."""

PLATFORM = "onnxruntime_onnx"

CONFIG_TYPES = {"BYTES": "TYPE_STRING"}
"""The types whose names differ in Triton's configuration; the others have TYPE_ before them."""


def endpoints(application: Application) -> Iterator[Endpoint]:
    """GET /v2, and for each model its metadata and its configuration."""
    settings = application.settings
    extensions = (*EXTENSIONS, REPOSITORY) if settings.model_control else EXTENSIONS
    about_server = {"name": "glimpse", "version": SERVER_VERSION, "extensions": extensions}

    async def server(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        return json_response(about_server)

    async def model(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        return json_response(model_metadata(served_engine(application, scope).card))

    async def config(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        card = served_engine(application, scope).card
        most = batch_size(card.view.shape, settings.max_batch_size, application.catalog.device)
        return json_response(model_config(card, most))

    for path in ("/v2", "/v2/"):
        yield Endpoint(path, READ, server, render=render_error, openapi=openapi.SERVER)
    for path in (MODEL, VERSION):
        yield Endpoint(path, READ, model, render=render_error, openapi=openapi.MODEL)
        yield Endpoint(f"{path}/config", READ, config, render=render_error, openapi=openapi.CONFIGURATION)


def model_metadata(card: Card) -> dict[str, Any]:
    """$metadata_model_response of a model."""

    def tensors(specs: Sequence[TensorSpec]) -> list[dict[str, Any]]:
        return [{"name": one.name, "datatype": one.datatype, "shape": [-1, *one.dims]} for one in specs]

    return {
        "name": card.name,
        "versions": [card.version],
        "platform": PLATFORM,
        "inputs": tensors(inputs_of(card)),
        "outputs": tensors(outputs_of(card)),
    }


def model_config(card: Card, max_batch_size: int) -> dict[str, Any]:
    """Triton's configuration of a model, as far as there is the like of it here.

    Args:
        card: Of the model.
        max_batch_size: Pictures in one run; a request may have more, and is then cut.
    """

    def tensor(spec: TensorSpec) -> dict[str, Any]:
        data_type = CONFIG_TYPES.get(spec.datatype, f"TYPE_{spec.datatype}")
        return {"name": spec.name, "data_type": data_type, "dims": list(spec.dims)}

    return {
        "name": card.name,
        "platform": PLATFORM,
        "backend": "onnxruntime",
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": max_batch_size,
        # A request sends one of the two.
        "input": [tensor(spec) | {"optional": True} for spec in inputs_of(card)],
        "output": [tensor(spec) for spec in outputs_of(card)],
        "dynamic_batching": {},
    }
