"""One number of each worker, in memory that all workers of a service map."""

import mmap
from array import array

_SIZE = array("d").itemsize


class WorkerValues:
    """A number per worker. Each worker writes only its own, so no lock is needed.

    Made before the workers are forked; a single process is worker 0 of 1.
    """

    def __init__(self, workers: int = 1) -> None:
        self._values = memoryview(mmap.mmap(-1, _SIZE * workers)).cast("d")
        self._index = 0

    def become(self, worker: int) -> None:
        """Be this worker from now on, starting at 0."""
        self._index = worker
        self.own = 0.0

    @property
    def own(self) -> float:
        """The number of this worker."""
        return self._values[self._index]

    @own.setter
    def own(self, value: float) -> None:
        self._values[self._index] = value

    def of(self, worker: int) -> float:
        """The number of any worker."""
        return self._values[worker]

    def reset(self, worker: int) -> None:
        """Set the number of a worker that has ended to 0."""
        self._values[worker] = 0.0

    def total(self) -> float:
        """The sum over all workers."""
        return sum(self._values)

    def least_of_others(self) -> float:
        """The smallest number of any other worker; infinite where there is none."""
        mine = self._index
        return min((value for index, value in enumerate(self._values) if index != mine), default=float("inf"))
