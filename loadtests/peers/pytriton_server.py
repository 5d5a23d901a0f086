"""Triton through pytriton: Triton's HTTP front and batching, our code in the process that started it.

The body is the file: a raw binary request, whose one tensor has one element of BYTES. Batches of up to 32
without a delay, decoded by one thread per core: on two cores 390 instead of 190 digits/s. One instance of the
model: with two, Triton ended by itself under load (boost::interprocess::lock_exception).

Its Python backend loads Debian's libpython3.11 and misreads the arrays of NumPy 2, hence an environment of
Debian's own interpreter, with the last NumPy 1 in it.
"""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from loadtests.peers.workload import Classifier, Options, read_options


class Digits:
    """A classifier as pytriton's inference function."""

    def __init__(self, options: Options) -> None:
        self._classifier = Classifier(options.model, threads=1)
        self._pool = ThreadPoolExecutor(os.cpu_count())

    def __call__(self, requests: list[Any]) -> list[dict[str, np.ndarray]]:
        """Classify the pictures of several requests, one in each."""
        pictures = [request.data["image"].item() for request in requests]
        predictions = self._classifier.predict(list(self._pool.map(self._classifier.pixels, pictures)))
        return [
            {
                "label": np.array([[one["label"].encode()]], dtype=np.object_),
                "probability": np.array([[one["probability"]]], dtype=np.float32),
                "probabilities": np.array([list(one["probabilities"].values())], dtype=np.float32),
            }
            for one in predictions
        ]


def serve(options: Options) -> None:
    """Serve the classifier until the process is ended."""
    config = TritonConfig(
        http_address="127.0.0.1", http_port=options.port, allow_grpc=False, allow_metrics=False
    )  # fmt: skip
    with (
        tempfile.TemporaryDirectory() as folder,
        Triton(config=config, workspace=f"{folder}/triton") as triton,
    ):
        triton.bind(
            model_name="digits",
            infer_func=Digits(options),
            inputs=[Tensor(name="image", dtype=bytes, shape=(1,))],
            outputs=[
                Tensor(name="label", dtype=bytes, shape=(1,)),
                Tensor(name="probability", dtype=np.float32, shape=(1,)),
                Tensor(name="probabilities", dtype=np.float32, shape=(-1,)),
            ],
            config=ModelConfig(max_batch_size=32, batcher=DynamicBatcher(), batching=True),
            strict=False,
        )
        triton.serve()


if __name__ == "__main__":
    serve(read_options())
