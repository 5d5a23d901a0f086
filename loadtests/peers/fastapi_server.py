"""FastAPI on uvloop and httptools, no batching; one session thread for each thread that has pictures.

As it comes, one uvicorn worker with a pool of one thread per core. On two busy cores that took less CPU time
than `def` endpoints in Starlette's own pool of 40 threads (2.1 against 2.3 ms per digit) and than sessions
with onnxruntime's default threads (2.5 ms). Processing on the event loop took 1.8 ms and no second core: as
many requests/s there, and ten times the p99 at 64 connections. With `--workers` so many uvicorn workers, each
with a pool of one thread.
"""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from loadtests.peers.workload import Classifier, Options, Pricer, read_options


def build(options: Options, threads: int) -> FastAPI:
    """The application, with its own pool of so many threads and its own models."""
    app = FastAPI()
    pool = ThreadPoolExecutor(threads)
    classifier = Classifier(options.model, threads=1)
    # The first request opens the price network, so that the measured start is that of one small model.
    pricer = cache(lambda: Pricer(options.price_model, threads=1))

    @app.get("/readyz")
    async def readyz() -> str:
        return "ready"

    @app.post("/classify")
    async def classify(request: Request) -> JSONResponse:
        data = await _picture(request)
        return JSONResponse(
            await asyncio.get_running_loop().run_in_executor(
                pool, lambda: classifier.predict([classifier.pixels(data)])[0]
            )
        )

    @app.post("/price")
    async def price(request: Request) -> JSONResponse:
        data = await _picture(request)
        return JSONResponse(
            await asyncio.get_running_loop().run_in_executor(pool, lambda: pricer().predict(data))
        )

    return app


def worker() -> FastAPI:
    """The application of one of several workers, which read the same command line."""
    return build(read_options(), threads=1)


async def _picture(request: Request) -> bytes:
    """The field `image` of a form, or the body itself where its type is a picture's."""
    if request.headers.get("content-type", "").startswith("image/"):
        return await request.body()
    async with request.form() as form:
        return await form["image"].read()


if __name__ == "__main__":
    options = read_options()
    several = options.workers > 1
    uvicorn.run(
        "loadtests.peers.fastapi_server:worker" if several else build(options, os.cpu_count() or 1),
        factory=several, workers=options.workers, host="127.0.0.1", port=options.port,
        loop="uvloop", http="httptools", access_log=False, log_level="warning",
    )  # fmt: skip
