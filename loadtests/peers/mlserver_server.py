"""MLServer: one inference process behind its HTTP process, adaptive batching on.

It speaks the V2 inference protocol, which has no pictures. The file travels as its documentation says for
binary data: a BYTES tensor with `content_type: base64` inside JSON, to /v2/models/digits/infer.
Batches of up to 64 that wait 1 ms (5 ms: a third slower at 16 connections). With the model in the HTTP
process (`parallel_workers=0`) 520 instead of 600 digits/s at 16 connections on two busy cores.
"""

import asyncio
import socket

import numpy as np
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import Base64Codec, NumpyCodec, StringCodec
from mlserver.settings import ModelParameters
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import install_uvloop_event_loop

from loadtests.peers.workload import Classifier, Options, options


class Digits(MLModel):
    async def load(self) -> bool:
        self._classifier = Classifier(self.settings.parameters.extra["model"], threads=1)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        pictures = self.decode(payload.inputs[0], default_codec=Base64Codec)
        answers = self._classifier.answers([self._classifier.pixels(data) for data in pictures])
        probability = np.array([[answer["probability"]] for answer in answers])
        probabilities = np.array([list(answer["probabilities"].values()) for answer in answers])
        return InferenceResponse(
            model_name=self.name,
            outputs=[
                StringCodec.encode_output("label", [answer["label"] for answer in answers]),
                NumpyCodec.encode_output("probability", probability),
                NumpyCodec.encode_output("probabilities", probabilities),
            ],
        )


def free_port() -> int:
    """For gRPC, which nobody asks for and which cannot be turned off."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def serve(asked: Options) -> None:
    settings = Settings(
        debug=False, host="127.0.0.1", http_port=asked.port, grpc_port=free_port(), metrics_endpoint=None,
        parallel_workers=1,
    )  # fmt: skip
    # By name: the inference process imports it again.
    model = ModelSettings(
        name="digits", implementation="loadtests.peers.mlserver_server.Digits",
        max_batch_size=64, max_batch_time=0.001, parameters=ModelParameters(extra={"model": asked.model}),
    )  # fmt: skip
    await MLServer(settings).start([model])


if __name__ == "__main__":
    install_uvloop_event_loop()
    asyncio.run(serve(options()))
