"""Telling the other workers of a change that a call asked for: each answers when it has made it.

Without it, a client that loads a model and then asks it would reach a worker that has not looked yet. Workers
listen on Unix sockets in the folder that they share; a single process has no siblings.
"""

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from service.monitoring.shared.folder import pid_of

log = logging.getLogger(__name__)

PATTERN = "repository_*.sock"

TIMEOUT_S = 60.0
"""For a sibling to make the change: it opens the model and runs its golden pictures."""

Change = dict[str, str]


class Siblings:
    """The other workers of this service."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._server: asyncio.Server | None = None

    async def listen(self, make: Callable[[Change], Awaitable[None]]) -> None:
        """Make the changes that siblings tell of, from now on."""
        if self._folder is None:
            return

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                try:
                    await make(json.loads(await reader.readline()))
                except Exception:
                    log.exception("a change that another worker made failed here")
                writer.write(b"done\n")
                await writer.drain()
                writer.close()

        path = self._folder / PATTERN.replace("*", str(os.getpid()))
        try:
            self._server = await asyncio.start_unix_server(answer, path)
        except OSError as error:
            log.warning("Other workers cannot tell this one of changes: %s", error)

    async def tell(self, change: Change) -> None:
        """Wait until every sibling has made a change, or has failed to."""
        if self._folder is not None:
            paths = [path for path in self._folder.glob(PATTERN) if pid_of(path) != os.getpid()]
            await asyncio.gather(*(self._tell(path, change) for path in paths))

    async def _tell(self, path: Path, change: Change) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(json.dumps(change).encode() + b"\n")
                await reader.readline()
                writer.close()
        except (ConnectionError, FileNotFoundError):
            path.unlink(missing_ok=True)  # it has ended; the one in its place reads the folder itself
        except (OSError, TimeoutError) as error:
            log.warning("worker %d was not told of %s: %s", pid_of(path), change, error)

    def close(self) -> None:
        """Listen no longer."""
        if self._server is not None and self._folder is not None:
            self._server.close()
            (self._folder / PATTERN.replace("*", str(os.getpid()))).unlink(missing_ok=True)
