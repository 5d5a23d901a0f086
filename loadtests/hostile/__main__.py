"""`python -m loadtests.hostile`: hostile requests, as fast as possible.

Ends with 0 where each got a status that it may have, no 5xx but 503 among them, and the server's memory
is within 100 MB of what it was when warm.
"""

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from loadtests import pictures
from loadtests.hostile import doors, files
from loadtests.hostile.raw_http import exchange
from loadtests.hostile.requests import END, FORM, HostileRequest, all_requests, part, request
from loadtests.server import serving
from models.model import ZOO

OVERLOADED = 503
"""The one 5xx that is a correct response to any request: it says when to try again."""

MAX_GROWTH_MB = 100
SAMPLE_INTERVAL_S = 0.05


class MemorySampler:
    """Resident memory in MB of all processes below this one: of the server."""

    def __init__(self) -> None:
        self.peak = 0.0

    def now(self) -> float:
        """The memory at the moment; updates the peak."""
        total = 0.0
        for process in psutil.Process().children(recursive=True):
            try:
                total += process.memory_info().rss / 2**20
            except psutil.NoSuchProcess:
                continue
        self.peak = max(self.peak, total)
        return total

    async def watch(self) -> None:
        """Keep the peak up to date until cancelled."""
        while True:
            self.now()
            await asyncio.sleep(SAMPLE_INTERVAL_S)


def mix(seed: int = 7) -> list[HostileRequest]:
    """Malformed requests and hostile files, always shuffled the same way."""
    png = pictures.digits()[0].content
    requests = [*all_requests(png), *doors.all_requests(png)]
    damaged = {f"cut-{tenths}": png[: len(png) * tenths // 10] for tenths in range(1, 10)}
    refused = (413, 415, 422)
    for name, data in (files.too_many_pixels() | files.too_many_blocks(150_000) | damaged).items():
        for path in (b"/classify", b"/price"):
            first = b"POST " + path + b" HTTP/1.1"
            raw, form = request(data, b"image/png", first), request(part(data) + END, FORM, first)
            requests += [HostileRequest(f"file-{name}", raw, refused)]
            requests += [HostileRequest(f"file-{name}", form, refused)]
    for name, data in files.inflating().items():
        requests.append(HostileRequest(f"file-{name}", request(data, b"image/png"), (200, 422)))
    images = b"".join(
        part(data, b'Content-Disposition: form-data; name="images"') for data in damaged.values()
    )
    batch = request(images + END, FORM, b"POST /classify/batch HTTP/1.1")
    requests.append(HostileRequest("batch", batch, (200,)))
    random.Random(seed).shuffle(requests)
    return requests


async def send(
    url: str, total: int, requests: Sequence[HostileRequest], connections: int, progress: Progress
) -> Counter[str]:
    """Send requests over and over.

    Args:
        url: Of the server.
        total: How many are sent.
        requests: Sent in turn.
        connections: How many are sent at the same time.
        progress: Gets a bar.

    Returns:
        The number of responses by status, and of problems by request and problem.
    """
    bar = progress.add_task("hostile requests", total=total)
    counts: Counter[str] = Counter()
    numbers = iter(range(total))

    async def client() -> None:
        for number in numbers:
            sent = requests[number % len(requests)]
            try:
                responses = await exchange(url, sent.data, disconnect=sent.responses == 0)
            except (OSError, TimeoutError) as error:
                counts[f"{sent.name}: {type(error).__name__}"] += 1
                continue
            statuses = [response.status for response in responses]
            counts.update(map(str, statuses))
            if OVERLOADED not in statuses and not sent.allows(statuses):
                counts[f"{sent.name}: answered {statuses}"] += 1
            progress.advance(bar)

    await asyncio.gather(*(client() for _ in range(connections)))
    return counts


async def attack(
    url: str, total: int, warming: int, connections: int
) -> tuple[Counter[str], dict[str, float]]:
    """Warm the server up, attack it and measure its memory.

    Returns:
        The counts of `send`, and the memory in MB: warm, peak and after.
    """
    requests, memory = mix(), MemorySampler()
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn()) as progress:
        await send(url, warming, requests, connections, progress)
        await asyncio.sleep(1)
        warm, memory.peak = memory.now(), 0.0
        watching = asyncio.create_task(memory.watch())
        counts = await send(url, total, requests, connections, progress)
        await asyncio.sleep(2)
        watching.cancel()
    return counts, {"warm": warm, "peak": memory.peak, "after": memory.now()}


def verdict(counts: Mapping[str, int], memory: Mapping[str, float]) -> bool:
    """Whether every response was a correct one and memory is back to what it was."""
    failed = [name for name in counts if not name.isdigit() or (name >= "500" and name != str(OVERLOADED))]
    return not failed and memory["after"] - memory["warm"] <= MAX_GROWTH_MB


def main() -> int:
    """Attack a new server and print a table; the exit code is 0 where it passes."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.hostile", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--warming", type=int, default=2_000, help="requests before memory is measured")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--log", type=Path, default=Path("runs/hostile.server.log"))
    options = parser.parse_args()
    options.log.parent.mkdir(parents=True, exist_ok=True)
    with serving(ZOO, options.log) as url:
        counts, memory = asyncio.run(attack(url, options.requests, options.warming, options.connections))
    table = Table("answer", "times")
    for name, times in sorted(counts.items()):
        table.add_row(name, f"{times:,}")
    console = Console()
    console.print(table)
    console.print(", ".join(f"{when} {size:.0f} MB" for when, size in memory.items()))
    passed = verdict(counts, memory)
    console.print("PASS" if passed else "FAIL")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
