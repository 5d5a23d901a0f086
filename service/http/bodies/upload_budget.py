"""How many bytes the bodies of all requests together may hold."""

from types import TracebackType

from service.errors import Overloaded, TooLarge
from service.monitoring.shared.worker_values import WorkerValues


class UploadBudget:
    """The bytes of bodies that arrive and of those whose pictures are in work, in all workers.

    Attributes:
        limit: Bytes, of all requests together.
        used: Bytes that each worker holds now.
    """

    def __init__(self, limit: int, used: WorkerValues | None = None) -> None:
        self.limit = limit
        self.used = used or WorkerValues()

    def reserve(self, limit: int) -> "Reservation":
        """The part of one request, released when its `with` block ends.

        Args:
            limit: Bytes that the body of this request may have.
        """
        return Reservation(self, limit)


class Reservation:
    """The bytes that one request holds of an UploadBudget."""

    __slots__ = ("_budget", "limit", "used")

    def __init__(self, budget: UploadBudget, limit: int) -> None:
        self._budget = budget
        self.limit = limit
        self.used = 0

    def take(self, count: int) -> None:
        """Hold `count` more bytes.

        Raises:
            TooLarge: This request would hold more than it may.
            Overloaded: All requests together would.
        """
        self.check(count)
        self.used += count
        self._budget.used.own += count

    def check(self, count: int) -> None:
        """Raise what `take` would, without holding anything."""
        if self.used + count > self.limit:
            raise TooLarge(f"The request is larger than {self.limit:,} bytes; this call takes no more.")
        if self._budget.used.total() + count > self._budget.limit:
            raise Overloaded("There is no memory left for more uploads just now; try again in a second.")

    def __enter__(self) -> "Reservation":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._budget.used.own -= self.used
        self.used = 0
