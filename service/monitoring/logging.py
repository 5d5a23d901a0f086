"""Log lines, each with the id of the request it is about: as text, or as JSON objects."""

import json
import logging
from datetime import UTC, datetime
from typing import Literal

from service.monitoring import request_context

FORMAT = "%(asctime)s %(levelname)s %(name)s%(request)s: %(message)s"


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        request_id = request_context.request_id_or_none()
        record.request = f" [{request_id}]" if request_id else ""
        return super().format(record)


class _JSONLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := request_context.request_id_or_none():
            line["request_id"] = request_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure_logging(form: Literal["text", "json"]) -> None:
    """All loggers of this process to stderr, from INFO on."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JSONLines() if form == "json" else _Text(FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # Its own lines on starting services would come once per process, and say nothing that ours do not.
    logging.getLogger("bentoml").setLevel(logging.WARNING)
    # A warning for each stranger's broken request would let strangers fill the disk: those are counted.
    logging.getLogger("service.http.connection").setLevel(logging.ERROR)
