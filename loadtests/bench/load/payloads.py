"""Request bodies: pictures in the form that each server documents."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.pictures import Upload

BOUNDARY = "----glimpse-bench-boundary"


@dataclass(frozen=True)
class Body:
    """The body of a request, its Content-Type and the headers it needs beside."""

    content: bytes
    content_type: str
    others: Mapping[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """All headers that a client has to set."""
        return {"Content-Type": self.content_type, **self.others}


Encoder = Callable[[Upload], Body]


def form(upload: Upload) -> Body:
    """A multipart form with the field `image`."""
    return _form("image", [upload])


def batch_form(uploads: Sequence[Upload]) -> Body:
    """A multipart form with the field `images`, once for each picture."""
    return _form("images", uploads)


def raw_body(upload: Upload) -> Body:
    """The file itself, under its own type."""
    return Body(upload.content, upload.content_type)


def tensor(upload: Upload) -> Body:
    """A V2 inference request with the file in base64, as MLServer documents it."""
    content = {
        "inputs": [{
            "name": "image", "shape": [1, 1], "datatype": "BYTES", "parameters": {"content_type": "base64"},
            "data": [base64.b64encode(upload.content).decode()],
        }]
    }  # fmt: skip
    return Body(json.dumps(content).encode(), "application/json")


def raw_tensor(upload: Upload) -> Body:
    """The file itself as the only tensor of a V2 inference, Triton's raw binary request."""
    return Body(upload.content, "application/octet-stream", {"Inference-Header-Content-Length": "0"})


def write(bodies: Sequence[Body], scratch: Path) -> list[Path]:
    """Write each body to a file, for programs that send them."""
    files = []
    for index, body in enumerate(bodies):
        files.append(scratch / f"body-{index}")
        files[-1].write_bytes(body.content)
    return files


def _form(name: str, uploads: Sequence[Upload]) -> Body:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{upload.name}"\r\n'
        f"Content-Type: {upload.content_type}\r\n\r\n".encode()
        + upload.content
        + b"\r\n"
        for upload in uploads
    ]
    return Body(b"".join(parts) + f"--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}")
