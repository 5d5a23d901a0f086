"""Log lines, each with the id of its request: as text, or as JSON objects."""

import json
import logging
from datetime import UTC, datetime
from typing import Literal

from service.monitoring import request_context

TEXT_FORMAT = "%(asctime)s %(levelname)s %(name)s%(request)s: %(message)s"


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        request_id = request_context.request_id_or_none()
        record.request = f" [{request_id}]" if request_id else ""
        return super().format(record)


class _JsonFormatter(logging.Formatter):
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


def configure_logging(style: Literal["text", "json"]) -> None:
    """Send the lines of all loggers of this process to stderr, from INFO on."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter() if style == "json" else _TextFormatter(TEXT_FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # BentoML logs the start of a service in each process, and nothing that our own lines do not say.
    logging.getLogger("bentoml").setLevel(logging.WARNING)
    # Broken requests are counted, not logged: a line for each would let any client fill the disk.
    logging.getLogger("service.http.connection").setLevel(logging.ERROR)
