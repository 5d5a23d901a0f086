"""The acceptor of one of two workers: it leaves clients to its sibling, but not for long."""

import asyncio
import socket
from contextlib import ExitStack

from service.monitoring.shared.worker_values import WorkerValues
from service.server.acceptor import Acceptor
from tests.support.waiting import reached

CLIENTS = 10


def accepting(others_connections, scenario):
    """Run a scenario with an acceptor behind whose socket CLIENTS wait; return what it returns."""

    async def run():
        counts, made = WorkerValues(2), []

        class Protocol(asyncio.Protocol):
            def connection_made(self, transport):
                made.append(transport)
                counts.own = len(made)

        counts.become(1)
        counts.own = others_connections
        counts.become(0)
        with ExitStack() as stack:
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            for _ in range(CLIENTS):
                stack.enter_context(socket.create_connection(listening.getsockname()))
            acceptor = Acceptor(asyncio.get_running_loop(), Protocol, listening, counts)
            result = await scenario(acceptor, made)
            acceptor.close()
            for transport in made:
                transport.abort()
            await asyncio.sleep(0)
        return result

    return asyncio.run(run())


def test_a_worker_with_as_many_connections_leaves_the_next_to_its_sibling():
    async def scenario(acceptor, made):
        acceptor._accept()
        return len(acceptor._begun)

    assert accepting(0, scenario) == 2


def test_a_worker_that_is_behind_catches_up():
    async def scenario(acceptor, made):
        acceptor._accept()
        return len(acceptor._begun)

    assert accepting(7, scenario) == 9


def test_no_client_waits_for_a_sibling_that_takes_none():
    async def scenario(acceptor, made):
        await reached(lambda: len(made) == CLIENTS)
        return len(made)

    assert accepting(0, scenario) == CLIENTS


def test_an_acceptor_that_closes_leaves_no_client_behind():
    async def scenario(acceptor, made):
        acceptor.close()
        await reached(lambda: len(made) == CLIENTS)
        return len(made)

    assert accepting(0, scenario) == CLIENTS
