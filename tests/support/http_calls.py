"""Calls of a real service, all by one client."""

import httpx

from tests.support.images import pictures

# Idle connections go before the server's own 5 s are over: one that closes while it is taken up again
# fails a POST, which nobody may send twice unasked.
CLIENT = httpx.Client(timeout=30, limits=httpx.Limits(keepalive_expiry=2))
PNG = pictures.encoded(pictures.digit(7))


def post(server, path="/classify", image=PNG, **data):
    return CLIENT.post(f"{server}{path}", files={"image": ("p.png", image)}, data=data)
