"""Optional API keys."""

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping, Sequence

from service.monitoring import metrics


class ApiKeys:
    """Tells valid keys from others, and clients from each other."""

    def __init__(self, keys: Sequence[str] = ()) -> None:
        """Any of the keys opens; without keys everything is open."""
        # Digests, so that comparing takes as long for every key, whatever its length.
        self._keys = [_digest(key.encode()) for key in keys]
        self.are_needed = bool(self._keys)

    def is_authorised(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether the headers hold a valid key, or none is needed; counts where they do not."""
        authorised = self.is_valid(headers)
        if not authorised:
            metrics.ACCESS_REFUSED.labels("key").inc()
        return authorised

    def is_valid(self, headers: Mapping[bytes, bytes]) -> bool:
        """As is_authorised, without counting: the request is asked for its key once more."""
        if not self._keys:
            return True
        sent = _digest(_key(headers))
        matches = [hmac.compare_digest(sent, key) for key in self._keys]  # all of them, for the time it takes
        return any(matches)

    def client(self, headers: Mapping[bytes, bytes], address: str) -> object:
        """What is counted as one client: its key, or without keys its address.

        Of an IPv6 address the first 64 bits count: one household has all the rest.
        """
        return _digest(_key(headers)) if self._keys else _network(address)


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _key(headers: Mapping[bytes, bytes]) -> bytes:
    scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return credentials.strip()
    return headers.get(b"x-api-key", b"").strip()


def _network(address: str) -> object:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return (parsed.version, int(parsed) >> (64 if parsed.version == 6 else 0))
