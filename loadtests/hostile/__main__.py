"""`python -m loadtests.hostile`: hostile requests at a server, as fast as they can be sent.

Ends with 0 where each was answered with a status that it may have, no 5xx but 503 among them, and the
server's memory is within 100 MB of what it was when warm.
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
from loadtests.hostile import files
from loadtests.hostile.raw_http import exchange
from loadtests.hostile.requests import END, FORM, Shape, part, request, shapes
from loadtests.server import serving
from models.model import ZOO

BUSY = 503
"""The one 5xx that is a right answer, to anything: try again in a second."""

MAY_GROW_MB = 100
SAMPLE_S = 0.05


class Memory:
    """Resident memory in MB of all processes that were started from here, sampled."""

    def __init__(self) -> None:
        self.peak = 0.0

    def now(self) -> float:
        total = 0.0
        for process in psutil.Process().children(recursive=True):
            try:
                total += process.memory_info().rss / 2**20
            except psutil.NoSuchProcess:
                continue
        self.peak = max(self.peak, total)
        return total

    async def watch(self) -> None:
        while True:
            self.now()
            await asyncio.sleep(SAMPLE_S)


def mix(seed: int = 7) -> list[Shape]:
    """Requests that are none, and hostile files in forms and bare; shuffled, always the same."""
    png = pictures.digits()[0].content
    sent = shapes(png)
    damaged = {f"cut-{share}": png[: len(png) * share // 10] for share in range(1, 10)}
    refused = (413, 415, 422)
    for name, data in (files.too_many_pixels() | files.too_many_blocks(150_000) | damaged).items():
        for path in (b"/classify", b"/price"):
            first = b"POST " + path + b" HTTP/1.1"
            sent.append(Shape(f"file-{name}", request(data, b"image/png", first), refused))
            sent.append(Shape(f"file-{name}", request(part(data) + END, FORM, first), refused))
    for name, data in files.inflating().items():
        sent.append(Shape(f"file-{name}", request(data, b"image/png"), (200, 422)))
    images = b"".join(
        part(data, b'Content-Disposition: form-data; name="images"') for data in damaged.values()
    )
    sent.append(Shape("batch", request(images + END, FORM, b"POST /classify/batch HTTP/1.1"), (200,)))
    random.Random(seed).shuffle(sent)
    return sent


async def send(
    url: str, requests: int, sent: Sequence[Shape], connections: int, progress: Progress
) -> Counter[str]:
    """That many requests, so many at once; counted by status, and by what went wrong."""
    bar = progress.add_task("hostile requests", total=requests)
    counted: Counter[str] = Counter()
    numbers = iter(range(requests))

    async def client() -> None:
        for number in numbers:
            shape = sent[number % len(sent)]
            try:
                answers = await exchange(url, shape.sent, hang_up=shape.answers == 0)
            except (OSError, TimeoutError) as error:
                counted[f"{shape.name}: {type(error).__name__}"] += 1
                continue
            statuses = [answer.status for answer in answers]
            counted.update(map(str, statuses))
            if BUSY not in statuses and shape.wrong(statuses):
                counted[f"{shape.name}: answered {statuses}"] += 1
            progress.advance(bar)

    await asyncio.gather(*(client() for _ in range(connections)))
    return counted


async def attack(
    url: str, requests: int, warming: int, connections: int
) -> tuple[Counter[str], dict[str, float]]:
    """What was answered, and MB of memory when warm, at the peak and in the end."""
    sent, memory = mix(), Memory()
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn()) as progress:
        await send(url, warming, sent, connections, progress)
        await asyncio.sleep(1)
        warm, memory.peak = memory.now(), 0.0
        watching = asyncio.create_task(memory.watch())
        counted = await send(url, requests, sent, connections, progress)
        await asyncio.sleep(2)
        watching.cancel()
    return counted, {"warm": warm, "peak": memory.peak, "after": memory.now()}


def verdict(counted: Mapping[str, int], memory: Mapping[str, float]) -> bool:
    """Whether nothing was answered wrongly, and memory came back."""
    failed = [name for name in counted if not name.isdigit() or (name >= "500" and name != str(BUSY))]
    return not failed and memory["after"] - memory["warm"] <= MAY_GROW_MB


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests.hostile", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--warming", type=int, default=2_000, help="requests before memory counts")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--log", type=Path, default=Path("runs/hostile.server.log"))
    options = parser.parse_args()
    options.log.parent.mkdir(parents=True, exist_ok=True)
    with serving(ZOO, options.log) as url:
        counted, memory = asyncio.run(attack(url, options.requests, options.warming, options.connections))
    table = Table("answer", "times")
    for name, times in sorted(counted.items()):
        table.add_row(name, f"{times:,}")
    console = Console()
    console.print(table)
    console.print(", ".join(f"{when} {size:.0f} MB" for when, size in memory.items()))
    good = verdict(counted, memory)
    console.print("PASS" if good else "FAIL")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
