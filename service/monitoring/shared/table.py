"""Two numbers for each of many keys, in memory that all workers of a service map."""

import hashlib
import mmap

WINDOW = 16
"""Slots that one key may be in; where other keys are in all, the one that was set longest ago makes room."""


class SharedTable:
    """A hash table of fixed size: key -> (value, time).

    No lock is taken: where two workers set the same key at once, one of the two is lost.
    """

    def __init__(self, slots: int) -> None:
        """Start empty.

        Args:
            slots: Keys that are remembered, about; a power of two.
        """
        memory = memoryview(mmap.mmap(-1, 24 * slots))
        self._keys = memory[: 8 * slots].cast("Q")
        self._values = memory[8 * slots : 16 * slots].cast("d")
        self._times = memory[16 * slots :].cast("d")
        self._mask = slots - 1

    def get(self, key: object) -> tuple[float, float] | None:
        """The value and the time of a key; None where it is not there."""
        digest, slots = self._slots(key)
        for slot in slots:
            if self._keys[slot] == digest:
                return self._values[slot], self._times[slot]
        return None

    def set(self, key: object, value: float, time: float) -> None:
        """Set the value and the time of a key."""
        digest, slots = self._slots(key)
        slot = next((slot for slot in slots if self._keys[slot] == digest), None)
        if slot is None:
            slot = min(slots, key=self._age)
        # The key last: a reader between the two lines sees no value of another key.
        self._keys[slot] = 0
        self._values[slot], self._times[slot] = value, time
        self._keys[slot] = digest

    def _age(self, slot: int) -> float:
        """Free slots first, then those that were set longest ago."""
        return self._times[slot] if self._keys[slot] else float("-inf")

    def _slots(self, key: object) -> tuple[int, list[int]]:
        digest = int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=8).digest(), "big") | 1
        return digest, [(digest >> 8) + step & self._mask for step in range(WINDOW)]
