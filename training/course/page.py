"""What a lab leaves behind: a page of Markdown with the pictures and the figures of its run."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.atomic import write_atomically

WIDTH = 120
"""Characters of a line of Markdown."""


@dataclass(frozen=True)
class Picture:
    """A picture of a page, with the text for those who cannot see it."""

    path: Path
    shows: str


@dataclass(frozen=True)
class Link:
    """A page to play with, and what the link to it says."""

    path: Path
    says: str


@dataclass(frozen=True)
class Table:
    """Rows of text and numbers below a header."""

    header: tuple[str, ...]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True)
class Listing:
    """Text that keeps its lines: formulas, shapes, messages."""

    text: str


Block = str | Picture | Link | Table | Listing
"""A paragraph, or what stands between paragraphs; a string that begins with "## " is a heading."""


@dataclass(frozen=True)
class Page:
    """The result of a lab.

    Attributes:
        title: Of the page.
        claim: What the lecture says, in one sentence.
        holds: Whether this run bears the claim out.
        verdict: What the run shows of the claim, with its figures; where it does not hold, that.
        blocks: The run, in the order in which one reads it.
        code: Files of the repository that did it.
        try_this: One thing to try, with its command.
        values: The figures of the run by name, for tests and for the page of questions.
    """

    title: str
    claim: str
    holds: bool
    verdict: str
    blocks: Sequence[Block]
    code: Sequence[str]
    try_this: str
    values: Mapping[str, float] = field(default_factory=dict)

    def markdown(self, root: str = "../..") -> str:
        """The page as Markdown.

        Args:
            root: The repository's root as seen from the folder of the page, for links to the code.
        """
        answer = "**It does.**" if self.holds else "**It does not, here.**"
        parts = [
            f"# {self.title}",
            _paragraph(f"> {self.claim}", "> "),
            _paragraph(f"{answer} {self.verdict}"),
            *map(_block, self.blocks),
            "## The code",
            "\n".join(f"- [{path}]({root}/{path})" for path in self.code),
            "## Try this",
            _paragraph(self.try_this),
        ]
        return "\n\n".join(parts) + "\n"

    def write(self, path: Path, root: str = "../..") -> None:
        """Write the page; pictures and playgrounds are in a folder of the same name beside it."""
        write_atomically(path, self.markdown(root))


def _block(block: Block) -> str:
    match block:
        case Picture(path, shows):
            return _paragraph(f"![{shows}]({path.parent.name}/{path.name})")
        case Link(path, says):
            return _paragraph(f"[{says}]({path.parent.name}/{path.name})")
        case Table(header, rows):
            lines = [header, ["---"] * len(header), *rows]
            return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)
        case Listing(text):
            return "\n".join(("```text", *map(_wrapped, text.rstrip().splitlines()), "```"))
        case str() if block.startswith("## "):
            return block
        case str():
            return _paragraph(block)


def _cell(value: object) -> str:
    """Text of a table's cell; a bar would end it."""
    return str(value).replace("|", "\\|")


def _wrapped(line: str) -> str:
    """A line of a listing; what is too long goes on below, indented."""
    return (
        textwrap.fill(line, WIDTH, subsequent_indent="    ", drop_whitespace=False, replace_whitespace=False)
        if len(line) > WIDTH
        else line
    )


def _paragraph(text: str, indent: str = "") -> str:
    words = " ".join(text.split())
    return textwrap.fill(
        words, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
