"""Room for uploads: how many bytes the bodies of all requests together may hold."""

from types import TracebackType

from service.errors import Overloaded, TooLarge


class UploadBudget:
    """limit: bytes, of bodies that are arriving and of those whose pictures are being answered."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def reserve(self, limit: int) -> "Reservation":
        """What one request may take of it; given back when the `with` block ends."""
        return Reservation(self, limit)


class Reservation:
    """The bytes that one request holds. limit: of its body."""

    __slots__ = ("_room", "limit", "used")

    def __init__(self, room: UploadBudget, limit: int) -> None:
        self._room = room
        self.limit = limit
        self.used = 0

    def take(self, count: int) -> None:
        """Raises as check does."""
        self.check(count)
        self.used += count
        self._room.used += count

    def check(self, count: int) -> None:
        """Raises TooLarge where the request, Overloaded where all of them would hold too much."""
        if self.used + count > self.limit:
            raise TooLarge(f"The request is larger than {self.limit:,} bytes; this call takes no more.")
        if self._room.used + count > self._room.limit:
            raise Overloaded("There is no memory left for more uploads just now; try again in a second.")

    def __enter__(self) -> "Reservation":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._room.used -= self.used
        self.used = 0
