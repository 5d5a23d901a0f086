"""MLServer: one inference process behind its HTTP process, adaptive batching on.

It speaks the V2 inference protocol, which has no pictures. The file is sent as its documentation says for
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

from loadtests.peers.workload import Classifier, Options, read_options


class Digits(MLModel):
    """A classifier as a model of MLServer."""

    async def load(self) -> bool:
        """Open the model in the inference process."""
        self._classifier = Classifier(self.settings.parameters.extra["model"], threads=1)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Classify a batch of encoded pictures."""
        pictures = self.decode(payload.inputs[0], default_codec=Base64Codec)
        predictions = self._classifier.predict([self._classifier.pixels(data) for data in pictures])
        probability = np.array([[one["probability"]] for one in predictions])
        probabilities = np.array([list(one["probabilities"].values()) for one in predictions])
        return InferenceResponse(
            model_name=self.name,
            outputs=[
                StringCodec.encode_output("label", [one["label"] for one in predictions]),
                NumpyCodec.encode_output("probability", probability),
                NumpyCodec.encode_output("probabilities", probabilities),
            ],
        )


def free_port() -> int:
    """A port for gRPC, which is not used but cannot be turned off."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def serve(options: Options) -> None:
    """Serve the classifier until the process is ended."""
    settings = Settings(
        debug=False, host="127.0.0.1", http_port=options.port, grpc_port=free_port(), metrics_endpoint=None,
        parallel_workers=1,
    )  # fmt: skip
    # By name: the inference process imports it again.
    model = ModelSettings(
        name="digits", implementation="loadtests.peers.mlserver_server.Digits",
        max_batch_size=64, max_batch_time=0.001, parameters=ModelParameters(extra={"model": options.model}),
    )  # fmt: skip
    await MLServer(settings).start([model])


if __name__ == "__main__":
    install_uvloop_event_loop()
    asyncio.run(serve(read_options()))
