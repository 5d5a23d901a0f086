"""Malformed and odd requests, each with the statuses of a correct response."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class HostileRequest:
    """What is sent on one connection.

    Attributes:
        name: Says what is wrong with it.
        data: The bytes that are sent.
        allowed: The statuses that its responses may have.
        responses: How many there are. 0: the client disconnects and waits for none. None: at least one; the
            rest of the bytes may get another.
    """

    name: str
    data: bytes
    allowed: tuple[int, ...] = (400,)
    responses: int | None = 1

    def allows(self, statuses: Sequence[int]) -> bool:
        """Whether responses of these statuses are correct, in number and kind."""
        number = bool(statuses) if self.responses is None else len(statuses) == self.responses
        return number and set(statuses) <= set(self.allowed)


def request(
    body: bytes = b"",
    content_type: bytes | None = None,
    first: bytes = b"POST /classify HTTP/1.1",
    headers: tuple[bytes, ...] = (),
    length: bytes | None = None,
    close: bool = True,
) -> bytes:
    """The bytes of a request.

    Args:
        body: After the headers.
        content_type: None for no Content-Type.
        first: The request line.
        headers: Further headers.
        length: The Content-Length; None for that of the body, empty for no such header.
        close: Whether the server shall close the connection.
    """
    lines = [first, b"Host: glimpse"]
    if content_type is not None:
        lines.append(b"Content-Type: " + content_type)
    if length != b"":
        lines.append(b"Content-Length: " + (length or b"%d" % len(body)))
    if close:
        lines.append(b"Connection: close")
    return b"\r\n".join([*lines, *headers, b"", body])


def part(content: bytes, head: bytes = b'Content-Disposition: form-data; name="image"') -> bytes:
    """One part of a form whose boundary is `x`."""
    return b"--x\r\n" + head + b"\r\n\r\n" + content + b"\r\n"


FORM = b"multipart/form-data; boundary=x"
END = b"--x--\r\n"
OK, BAD, TOO_LARGE, NO_PICTURE = (200,), (400,), (413,), (415,)


def forms(png: bytes) -> Iterator[HostileRequest]:
    """Malformed multipart forms, and odd ones that are valid."""
    good = part(png)
    disposition = b"Content-Disposition: form-data; "

    def form(name: str, body: bytes, *allowed: int, content_type: bytes = FORM) -> HostileRequest:
        return HostileRequest(f"form-{name}", request(body, content_type), allowed or BAD)

    yield form("no-boundary", good + END, content_type=b"multipart/form-data")
    yield form("empty-boundary", good + END, content_type=b"multipart/form-data; boundary=")
    yield form("two-boundaries", good + END, 200, 400, content_type=FORM + b"; boundary=y")
    yield form("long-boundary", good + END, content_type=b"multipart/form-data; boundary=" + b"x" * 71)
    yield form("another-boundary", good.replace(b"--x", b"--y") + b"--y--")
    yield form("binary-boundary", good + END, content_type=b"multipart/form-data; boundary=\xff\xfe")
    yield form("mixed", good + END, content_type=b"multipart/mixed; boundary=x")
    yield form("empty", b"")
    yield form("only-an-end", END)
    yield form("no-end", good)
    yield form("no-empty-line", b"--x\r\n" + disposition + b'name="image"\r\n' + png + b"\r\n" + END)
    yield form("missing-crlf", good[:-2] + END)
    yield form("bare-line-feeds", good.replace(b"\r\n", b"\n") + b"--x--\n")
    yield form("nul-bytes", b"\0" * 1000)
    yield form("binary-field-name", part(png, disposition + b'name="\xff\xfe\0\x80"') + END)
    yield form("binary-headers", part(png, bytes(range(1, 10)) + b"\xff: \xfe") + END)
    yield form("no-name", part(png, b"Content-Disposition: form-data") + END)
    yield form("no-disposition", part(png, b"Content-Type: image/png") + END)
    yield form(
        "huge-part-headers", part(png, disposition + b'name="image"; a="' + b"a" * 10_000 + b'"') + END
    )
    yield form("many-part-headers", part(png, b"\r\n".join([b"A: b"] * 5_000)) + END)
    yield form("repeated-field", good + good + END)
    yield form("10,000-parts", part(b"", b"A: b") * 10_000 + END, *TOO_LARGE)
    yield form("10,000-boundaries", b"--x\r\n" * 10_000 + END)
    yield form("nested", part(part(png, b"A: b").replace(b"--x", b"--y") + b"--y--") + END, *NO_PICTURE)
    yield form("text-for-a-picture", part(b"http://127.0.0.1/seven.png") + END, *NO_PICTURE)
    yield form("model-only", part(b"digits-cnn", disposition + b'name="model"') + END)
    yield form("preamble", b"Dear reader,\r\n" + good + END, *OK)
    yield form("epilogue", good + END + b"--x\r\nmore and more" * 100, *OK)
    for number, filename in enumerate((
        b"../../../etc/passwd", b"/dev/zero", b"seven.png\0.exe", b"http://127.0.0.1/seven.png", b"a" * 4_000,
        b"\xf0\x9f\x92\xa3.png", b'\\"; name=\\"model', b"CON", b"|touch harmed", b"${jndi:ldap://127.0.0.1/a}",
    )):  # fmt: skip
        head = disposition + b'name="image"; filename="' + filename + b'"'
        yield form(f"filename-{number}", part(png, head) + END, *OK)
    for number, model in enumerate((
        b"../digits-cnn", b"/etc/passwd", b"digits-cnn.onnx", b"a\0b", b"a" * 10_000, "ü😀\u202e".encode(),
        b"\xff\xfe", b"%00", b"[" * 900, b'"' + b"\\" * 900, b"${jndi:ldap://127.0.0.1/a}", b"' OR 1=1 --",
        b'{"a": 1}', b"\r\nSet-Cookie: a=b",
    )):  # fmt: skip
        body = part(model, disposition + b'name="model"') + good + END
        yield form(f"model-{number}", body, 400, 404, 413)


def framing(png: bytes) -> Iterator[HostileRequest]:
    """Bodies of a false or doubled length: request smuggling (RFC 9112, 6.3, 11.2)."""
    kind = b"image/png"
    chunked = b"Transfer-Encoding: chunked"
    whole = b"%x\r\n%s\r\n0\r\n\r\n" % (len(png), png)

    def framed(name: str, data: bytes, *allowed: int, responses: int | None = 1) -> HostileRequest:
        return HostileRequest(f"framing-{name}", data, allowed or BAD, responses)

    def in_chunks(name: str, body: bytes, *allowed: int, extra: tuple[bytes, ...] = ()) -> HostileRequest:
        return framed(name, request(body, kind, headers=(chunked, *extra), length=b""), *(allowed or BAD))

    yield in_chunks("chunked", whole, *OK)
    yield in_chunks("chunk-extension", whole.replace(b"\r\n", b";a=b\r\n", 1), *OK)
    yield in_chunks("one-byte-chunks", b"".join(b"1\r\n%c\r\n" % byte for byte in png) + b"0\r\n\r\n", *OK)
    yield in_chunks("trailer", whole[:-2] + b"Content-Length: 5\r\n\r\n", 200, 400)
    yield in_chunks("chunk-size-garbage", b"pony\r\n" + png)
    yield in_chunks("chunk-size-negative", b"-5\r\n" + png)
    yield in_chunks("chunk-size-overflow", b"F" * 17 + b"\r\n" + png)
    yield in_chunks("chunk-size-prefix", b"0x" + whole)
    yield in_chunks("chunk-too-long", b"5\r\n123456789\r\n0\r\n\r\n")
    yield in_chunks("chunk-bare-line-feed", whole.replace(b"\r\n", b"\n", 1))
    for number, encoding in enumerate((b"xchunked", b"chunked, identity", b"identity", b"chunked, chunked")):
        head = (b"Transfer-Encoding: " + encoding,)
        yield framed(f"transfer-encoding-{number}", request(whole, kind, headers=head, length=b""))
    for name, length in (("chunked-and-length", b"5"), ("chunked-and-zero", b"0")):
        yield framed(name, request(whole, kind, headers=(chunked,), length=length))
    twice = (b"Content-Length: 5",)
    yield framed("two-lengths", request(png, kind, headers=twice))
    yield framed("length-list", request(png, kind, length=b"5, 5"))
    for number, length in enumerate((b"-5", b"+5", b"0x10", b"5 5", b"9" * 30, b"\xd9\xa5")):
        yield framed(f"length-{number}", request(png, kind, length=length), 400, 413)
    yield framed("length-too-large", request(kind, kind, length=b"%d" % 10**12), *TOO_LARGE)
    yield framed(
        "length-too-small", request(png, kind, length=b"10", close=False), 400, 415, 422, responses=None
    )
    short = request(png, kind, length=b"%d" % (len(png) + 10))
    yield HostileRequest("framing-length-and-disconnect", short, responses=0)
    yield HostileRequest(
        "framing-form-and-disconnect", request(part(png), FORM, length=b"100000"), responses=0
    )
    first = request(png, kind, close=False)
    yield framed("pipelined", first * 4 + request(b"no", kind), 200, 415, responses=5)
    yield framed("pipelined-garbage", first + b"\0\0\0 HTTP/1.1\r\n\r\n", 200, 400, responses=None)
    yield framed("http-1.0", request(png, kind, b"POST /classify HTTP/1.0"), *OK)
    yield framed("expect", request(png, kind, headers=(b"Expect: 100-continue",)), *OK)
    yield framed("expect-garbage", request(png, kind, headers=(b"Expect: a pony",)), *OK)


def heads(png: bytes) -> Iterator[HostileRequest]:
    """Malformed request lines and headers, and odd ones that are valid."""
    kind = b"image/png"

    def headed(name: str, first: bytes, *allowed: int, headers: tuple[bytes, ...] = ()) -> HostileRequest:
        return HostileRequest(f"head-{name}", request(first=first, headers=headers), allowed or BAD)

    for path in (
        b"/nothing", b"//classify", b"/classify/", b"/classify/../models", b"/%2e%2e/%2e%2e/etc/passwd",
        b"/page.js/../../service.py", b"/../service/service.py", b"/" + b"a" * 10_000, b"/%00", b"/%ff%fe",
        b"/?a=" + b"b" * 1_000 + b"/../", b"/static/../x", b"/.git/config",
    ):  # fmt: skip
        yield headed(f"path-{path[:25].decode()}", b"GET " + path + b" HTTP/1.1", 200, 307, 404)
    for method in (b"DELETE", b"PUT", b"PATCH", b"OPTIONS", b"TRACE", b"PROPFIND"):
        yield headed(f"method-{method.decode()}", method + b" /classify HTTP/1.1", 405)
    yield headed("post-to-models", b"POST /models HTTP/1.1", 405)
    yield headed("head-of-nothing", b"GET /nothing HTTP/1.1", 404)
    for number, first in enumerate((
        b"FROB /classify HTTP/1.1", b"POST /classify HTTP/9.9", b"POST /classify", b"POST", b"\0\1\2", b"",
        b"GET /cl assify HTTP/1.1", b"GET /\0 HTTP/1.1", b"get / HTTP/1.1", b"PRI * HTTP/2.0",
    )):  # fmt: skip
        yield headed(f"first-line-{number}", first)
    get = b"GET /models HTTP/1.1"
    yield headed("absolute-form", b"GET http://127.0.0.1/etc/passwd HTTP/1.1", 400, 404)
    yield headed("header-without-colon", get, headers=(b"no colon here",))
    yield headed("header-nul", get, headers=(b"A: \0",))
    yield headed("header-space", get, headers=(b"Content-Length : 5",))
    yield headed("header-folded", get, 200, 400, headers=(b"A: b", b" c"))
    yield headed("request-id", get, 200, headers=(b"X-Request-ID: a\tb<script>" + b"a" * 300,))
    yield headed(
        "upgrade-h2c", get, 200, headers=(b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
    )
    for content_type in (
        b"application/json", b"text/plain", b"a/b/c;;=", b"\xff",
        b"application/vnd.bentoml+pickle", b"application/vnd.bentoml.pickle", b"a" * 5_000,
        b"multipart/form-data, image/png", b"image",
    ):  # fmt: skip
        yield HostileRequest(f"type-{content_type[:30]!r}", request(png, content_type))
    for content_type in (
        b"image/png; charset=utf-8",
        b"image/jpeg",
        b"IMAGE/X-NO-SUCH",
        b"application/octet-stream",
        b"application/x-www-form-urlencoded",
        b"",
    ):
        yield HostileRequest(f"type-{content_type.decode()}", request(png, content_type), OK)
    for number, query in enumerate((b"model=%00", b"model=../x", b"model=" + b"a" * 10_000, b"model=%ff")):
        first = b"POST /classify?" + query + b" HTTP/1.1"
        yield HostileRequest(f"query-{number}", request(png, kind, first), (400, 404, 413, 431))


def all_requests(png: bytes) -> list[HostileRequest]:
    """All requests of this module, around a valid picture."""
    return [*forms(png), *framing(png), *heads(png)]
