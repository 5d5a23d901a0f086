"""What workers know of each other: sums, and what is taken back of one that has ended."""

import os

from service.monitoring.shared.worker_group import WorkerGroup


def in_worker(group, worker, work):
    """Call work() as a worker, in a process of its own."""
    pid = os.fork()
    if pid == 0:
        group.become(worker)
        work()
        os._exit(0)
    os.waitpid(pid, 0)


def test_each_worker_adds_to_the_sum_and_is_forgotten():
    group = WorkerGroup(3)
    for worker in range(3):
        in_worker(group, worker, lambda worker=worker: setattr(group.held_bytes, "own", 10.0**worker))
    assert group.held_bytes.total() == 111
    assert group.held_bytes.of(1) == 10
    group.forget(1)
    assert group.held_bytes.total() == 101


def test_the_least_of_the_others():
    group = WorkerGroup(3)
    group.become(1)
    group.open_connections.own = 5
    assert group.open_connections.least_of_others() == 0
    assert WorkerGroup().open_connections.least_of_others() == float("inf")
