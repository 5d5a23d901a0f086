"""Who may ask, and how often: optional API keys and an optional rate for each client.

Both are off unless set. With several workers each keeps count for itself: a client then gets up to
as many times its rate as there are workers.
"""

import hashlib
import hmac
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from service.errors import RateLimited
from service.monitoring import metrics

MAX_CLIENTS = 10_000
"""Clients whose rate is remembered; whoever was quiet for longest is forgotten first."""

BURST_S = 10.0
"""Seconds' worth of requests that a client may send at once after a pause."""


class Access:
    """keys: any of them opens. rate: pictures per second of one client; unbounded where it is 0.

    A client is its key, or without keys its address (of IPv6 the first 64 bits: one household).
    """

    def __init__(self, keys: Sequence[str] = (), rate: float = 0) -> None:
        # Digests, so that comparing takes as long for every key, whatever its length.
        self._keys = [_digest(key.encode()) for key in keys]
        self._rate = rate
        self._burst = max(BURST_S * rate, 1.0)
        self._clients: OrderedDict[object, tuple[float, float]] = OrderedDict()

    def is_authorised(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a valid key came, or none is needed."""
        if not self._keys:
            return True
        given = _digest(_key(headers))
        known = [hmac.compare_digest(given, key) for key in self._keys]
        if not any(known):
            metrics.ACCESS_REFUSED.labels("key").inc()
        return any(known)

    def charge(self, headers: Mapping[bytes, bytes], address: str) -> None:
        """Count one picture. Raises TooMany where the client has none left, with the seconds until it has."""
        if not self._rate:
            return
        client = self._client(headers, address)
        now = time.monotonic()
        left, since = self._clients.pop(client, (self._burst, now))
        left = min(left + (now - since) * self._rate, self._burst)
        refused = left < 1
        self._clients[client] = (left if refused else left - 1, now)
        if len(self._clients) > MAX_CLIENTS:
            self._clients.popitem(last=False)
        if refused:
            metrics.ACCESS_REFUSED.labels("rate").inc()
            seconds = max(math.ceil((1 - left) / self._rate), 1)
            raise RateLimited(
                f"One client may send {self._rate:g} pictures per second here; wait {seconds} s.", seconds
            )

    def charge_extra(self, headers: Mapping[bytes, bytes], address: str) -> None:
        """Count one more picture of a request that was let in: it delays the client's next request."""
        if self._rate and (client := self._client(headers, address)) in self._clients:
            left, since = self._clients[client]
            self._clients[client] = (left - 1, since)

    def _client(self, headers: Mapping[bytes, bytes], address: str) -> object:
        return _digest(_key(headers)) if self._keys else _household(address)


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _key(headers: Mapping[bytes, bytes]) -> bytes:
    scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return credentials.strip()
    return headers.get(b"x-api-key", b"").strip()


def _household(address: str) -> object:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return (parsed.version, int(parsed) >> (64 if parsed.version == 6 else 0))
