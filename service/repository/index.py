"""The index of the repository: the state of each model, as one worker sees it."""

from collections.abc import Set
from typing import Any, Literal

from pydantic import BaseModel

from service.inference.engine import Engine
from service.repository.quarantine import QuarantineEntry


class IndexEntry(BaseModel):
    """One model in the index of the repository.

    Attributes:
        reason: Why the model is not ready, or why the file that is there now is not served.
    """

    name: str
    version: str = ""
    state: Literal["READY", "LOADING", "UNAVAILABLE"]
    reason: str = ""


def index_entry(
    name: str, engine: Engine[Any] | None, entry: QuarantineEntry | None, loading: Set[str]
) -> IndexEntry:
    """The state of one model.

    Args:
        name: Of the model.
        engine: Serves it, if it is served.
        entry: Why its file is not served, if it is not.
        loading: Names of the models that are being opened.
    """
    reason = entry.reason if entry else ""
    if engine is not None:
        return IndexEntry(name=name, version=engine.card.version, state="READY", reason=reason)
    if name in loading:
        return IndexEntry(name=name, state="LOADING")
    return IndexEntry(name=name, state="UNAVAILABLE", reason=reason or "not loaded yet")
