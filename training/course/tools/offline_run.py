"""A run that Weights & Biases wrote offline, read back from its folder.

The file run-ID.wandb is a log in the form of LevelDB (its doc/log_format.md): blocks of 32 KiB with pieces
that have a checksum, a length and a kind; a record is a protocol buffer of wandb. A table is an
artifact of a JSON file and pictures, which wait elsewhere to be sent; the log says where.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.data.splits import DataError

BLOCK = 32 * 1024
HEAD = struct.Struct("<IHB")
"""Of a piece of a record: checksum, length, kind."""

WHOLE, FIRST, MIDDLE, LAST = 1, 2, 3, 4
"""Kinds of pieces."""

SUFFIX = ".table.json"

FILE_HEAD = 7
"""Bytes at the start of the file that say what it is."""


@dataclass
class OfflineRun:
    """What a folder offline-run-* holds.

    Attributes:
        name: Of the run.
        config: Its parameters.
        history: What each call of `log` recorded, in order; the parts of a table are nested.
        summary: The last value of everything.
        tables: Rows by column, of each table by its name; a picture is the path of its file.
        exit_code: 0 of a run that ended well; None of one that goes on.
    """

    name: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    exit_code: int | None = None

    def curve(self, name: str) -> list[float]:
        """One number per epoch, of a curve such as validation_loss."""
        return [row[name] for row in self.history if name in row]


def find_runs(home: Path) -> list[Path]:
    """The folders of offline runs, the oldest first."""
    return sorted(home.glob("offline-run-*"), key=lambda folder: folder.stat().st_mtime_ns)


def read_run(folder: Path) -> OfflineRun:
    """Read a folder offline-run-*.

    Raises:
        DataError: It holds no run.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    logs = list(folder.glob("run-*.wandb"))
    if len(logs) != 1:
        raise DataError(f"{folder} holds no offline run of W&B.")
    run = OfflineRun()
    for content in records(logs[0].read_bytes()):
        record = Record.FromString(content)
        match record.WhichOneof("record_type"):
            case "run":
                run.name = record.run.display_name
                run.config |= _values(record.run.config.update)
            case "history":
                run.history.append(_values(record.history.item))
            case "summary":
                run.summary |= _values(record.summary.update)
            case "artifact" if record.artifact.type == "run_table":
                files = {entry.path: Path(entry.local_path) for entry in record.artifact.manifest.contents}
                run.tables |= _tables(files)
            case "exit":
                run.exit_code = record.exit.exit_code
    return run


def records(log: bytes) -> Iterator[bytes]:
    """The records of a log, each put together from its pieces; without one that was cut off at the end."""
    position, parts = FILE_HEAD, b""
    while position + HEAD.size <= len(log):
        left = BLOCK - position % BLOCK
        if left < HEAD.size:
            position += left
            continue
        _, length, kind = HEAD.unpack_from(log, position)
        position += HEAD.size
        piece = log[position : position + length]
        position += length
        if len(piece) < length:
            return
        parts = piece if kind in (WHOLE, FIRST) else parts + piece
        if kind in (WHOLE, LAST):
            yield parts


def _tables(files: dict[str, Path]) -> dict[str, list[dict[str, Any]]]:
    """The tables of an artifact, whose files are given by their names in it."""
    tables = {}
    for name, path in files.items():
        if name.endswith(SUFFIX):
            table = json.loads(path.read_text())
            tables[name.removesuffix(SUFFIX)] = [
                {
                    column: files[cell["path"]] if isinstance(cell, dict) else cell
                    for column, cell in zip(table["columns"], cells, strict=True)
                }
                for cells in table["data"]
            ]
    return tables


def _values(items: Any) -> dict[str, Any]:
    """JSON values by key; a nested key leads into a dictionary."""
    values: dict[str, Any] = {}
    for item in items:
        *outer, last = item.nested_key or [item.key]
        inside = values
        for key in outer:
            inside = inside.setdefault(key, {})
        inside[last] = json.loads(item.value_json)
    return values
