"""The commands of a page, and what it shows of their output."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

BLOCK = re.compile(r"^```console\n(.+?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)

WORD = re.compile(r"[A-Za-z_][\w-]*")
VARYING = re.compile(r"[0-9a-f]{12,}|\d+\.\d+(?:e-?\d+)?|\.\.\.")
"""Ids, versions and measured numbers, and what the page leaves out."""


@dataclass(frozen=True)
class Step:
    """A command of a page.

    Attributes:
        command: As a shell takes it, on one line.
        shown: What the page shows of its output.
    """

    command: str
    shown: str

    def assert_shown(self, output: str) -> None:
        """Fail where the page shows a word that the output does not have; numbers and ids may differ."""
        words = WORD.findall(VARYING.sub(" ", self.shown))
        missing = [word for word in words if word not in output]
        assert not missing, f"{self.command}\nshows {missing}, and printed:\n{output[-2_000:]}"


def steps(page: str) -> Iterator[Step]:
    """The commands of all console blocks, in order."""
    for block in BLOCK.findall(page):
        for command, shown in COMMAND.findall(block):
            yield Step(command.replace("\\\n", " "), shown)
