"""Calls of a real service, all by one client."""

import httpx

from tests.support.images import pictures

# verify=False: a context for TLS, which no test speaks, would take 25 ms to make.
# A connection for each call: none closes just as it is used again, each of several workers is asked, and
# a server that ends waits for no idle client.
CLIENT = httpx.Client(
    timeout=120, verify=False, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
)
PNG = pictures.encoded(pictures.digit(7))


def post(server, path="/classify", image=PNG, **data):
    """One picture in a form; `data`: its other fields."""
    return CLIENT.post(f"{server}{path}", files={"image": ("p.png", image)}, data=data)
