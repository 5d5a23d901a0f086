"""A connection in this process, where the test decides how much time has passed."""

import asyncio
import json
from contextlib import asynccontextmanager

from uvicorn.config import Config
from uvicorn.server import ServerState

from service.http.connection import Connection
from tests.support.waiting import reached

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"


@asynccontextmanager
async def listening(app, made, kind=Connection):
    """A server in this process: yields a client's connection to it; each server side is given to `made`."""
    config = Config(app, lifespan="off")
    config.load()

    def connection() -> Connection:
        one = kind(config, ServerState(), {})
        made(one)
        return one

    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield reader, writer
        writer.close()


def test_time_runs_only_while_the_client_is_waited_for():
    """Not while a request is computed, nor while we do not read: an hour passes on each."""
    body = bytes(2**20)  # more than is read ahead

    async def scenario() -> bytes:
        read, answer = asyncio.Event(), asyncio.Event()

        async def app(scope, receive, send):
            await read.wait()
            while (await receive())["more_body"]:
                pass
            computing.set()
            await answer.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body"})

        computing = asyncio.Event()
        connections: list[Connection] = []
        async with listening(app, connections.append) as (reader, writer):
            writer.write(HEAD % len(body) + body)
            await reached(lambda: connections and connections[0].flow and connections[0].flow.read_paused)
            connections[0].tick(3600)
            read.set()
            await computing.wait()
            connections[0].tick(3600)
            answer.set()
            return await reader.read()

    assert asyncio.run(scenario()).startswith(b"HTTP/1.1 200 ")


def test_a_head_without_memory_for_it_is_a_503():
    """What the parser calls raises; the parser says only that a callback failed."""

    class Full(Connection):
        def on_url(self, url: bytes) -> None:
            raise MemoryError

    async def app(scope, receive, send):
        raise AssertionError("no request is complete")

    async def scenario() -> bytes:
        async with listening(app, lambda connection: None, Full) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            return await reader.read()

    head, _, body = asyncio.run(scenario()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in head.lower()
    assert "out of memory" in json.loads(body)["detail"]
