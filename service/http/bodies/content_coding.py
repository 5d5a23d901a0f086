"""Bodies that come compressed (RFC 9110, section 8.4): inflated within the limits of their request."""

import asyncio
import zlib

from service.errors import Malformed, UnsupportedCoding
from service.http.bodies.upload_budget import Reservation

WINDOW_BITS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}
"""Of zlib, which takes 16 + 15 for the head and tail of gzip; `deflate` means the zlib format (RFC 1950)."""

IDENTITY = (b"", b"identity")

PIECE_BYTES, INFLATED_BYTES = 64 * 2**10, 2**20
"""What goes in, and what comes out, in one turn of the event loop: a millisecond."""


async def decoded(body: bytes, coding: bytes, reservation: Reservation) -> bytes:
    """The body as it was before it was compressed.

    Args:
        body: As it came.
        coding: The value of Content-Encoding; empty where there is none.
        reservation: Takes the bytes that come out.

    Raises:
        UnsupportedCoding: It is neither gzip nor deflate.
        Malformed: It is not what Content-Encoding says.
        TooLarge: More comes out than was reserved.
        Overloaded: All bodies together have more bytes than the upload budget.
    """
    coding = coding.strip().lower()
    if coding in IDENTITY:
        return body
    bits = WINDOW_BITS.get(coding)
    if bits is None:
        accepted = "gzip, deflate"
        raise UnsupportedCoding(f"Send the body as it is, or compressed by one of {accepted}.", accepted)
    inflater = zlib.decompressobj(bits)
    parts: list[bytes] = []
    try:
        for start in range(0, len(body), PIECE_BYTES):
            piece = body[start : start + PIECE_BYTES]
            while piece and not inflater.eof:
                part = inflater.decompress(piece, INFLATED_BYTES)
                reservation.take(len(part))
                parts.append(part)
                piece = inflater.unconsumed_tail
                await asyncio.sleep(0)
    except zlib.error as error:
        raise Malformed(f"The body is not what its Content-Encoding says: {error}.") from None
    if not inflater.eof:
        raise Malformed("The compressed body breaks off before its end.")
    if inflater.unused_data or len(body) > start + PIECE_BYTES:
        raise Malformed("Something follows the end of the compressed body; send one stream.")
    return b"".join(parts)
