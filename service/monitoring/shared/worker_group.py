"""What the workers of one service know of each other, in memory that all of them map."""

from service.monitoring.shared.table import SharedTable
from service.monitoring.shared.worker_values import WorkerValues

MAX_CLIENTS = 2**14
"""Clients that are remembered, about."""


class WorkerGroup:
    """The workers of one service; a single process is a group of one.

    Attributes:
        size: Workers.
        open_connections: Of each worker.
        held_bytes: Of the bodies that each worker holds.
        clients: Pictures that each client may send, of those that have a rate.
        unready: 1 of each worker that has a model which does not answer.
        heartbeats: A number that each worker changes every second, from when it is ready.
    """

    def __init__(self, size: int = 1) -> None:
        self.size = size
        self.open_connections = WorkerValues(size)
        self.held_bytes = WorkerValues(size)
        self.unready = WorkerValues(size)
        self.heartbeats = WorkerValues(size)
        self.clients = SharedTable(MAX_CLIENTS)

    def become(self, worker: int) -> None:
        """Be this worker from now on; called in a process that has just been forked."""
        for values in self._all():
            values.become(worker)

    def forget(self, worker: int) -> None:
        """Take back what a worker that has ended still held."""
        for values in self._all():
            values.reset(worker)

    def _all(self) -> tuple[WorkerValues, ...]:
        return self.open_connections, self.held_bytes, self.unready, self.heartbeats
