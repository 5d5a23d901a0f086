"""A page of the course as Markdown."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.course.page import WIDTH, Link, Listing, Page, Picture, Table

LONG = "one neuron draws one line, and no line separates these four points from each other " * 5


def page(holds=True, blocks=(), **changes):
    facts = {"claim": LONG, "verdict": "Three of four.", "try_this": "Turn `rate` up.", "code": ["a/b.py"]}
    return Page("A title", holds=holds, blocks=blocks, **(facts | changes))


def test_the_claim_is_one_quotation_below_the_title():
    lines = page().markdown().splitlines()

    assert lines[:2] == ["# A title", ""]
    quoted = [line for line in lines if line.startswith("> ")]
    assert lines[2 : 2 + len(quoted)] == quoted
    assert " ".join(line.removeprefix("> ") for line in quoted) == LONG.strip()
    assert len(quoted) > 2


@pytest.mark.parametrize(
    ("holds", "answer"), [(True, "**It does.** Three"), (False, "**It does not, here.** Three")]
)
def test_the_verdict_says_whether_it_holds(holds, answer):
    assert f"\n{answer} of four.\n" in page(holds).markdown()


def test_blocks_stand_in_their_order():
    blocks = (
        "## Points",
        "A   paragraph\n   of text.",
        Picture(Path("/somewhere/runs/lab/neuron/points.png"), "four points"),
        Table(("x", "y"), [(0, "a"), (1, 0.5)]),
        Listing("a  b\n c\n\n"),
        Link(Path("runs/lab/neuron/play.html"), "Drag the weights"),
    )

    assert (
        "\n\n".join(
            (
                "## Points",
                "A paragraph of text.",
                "![four points](neuron/points.png)",
                "| x | y |\n| --- | --- |\n| 0 | a |\n| 1 | 0.5 |",
                "```text\na  b\n c\n```",
                "[Drag the weights](neuron/play.html)",
                "## The code",
                "- [a/b.py](../../a/b.py)",
                "## Try this",
                "Turn `rate` up.\n",
            )
        )
        in page(blocks=blocks).markdown()
    )


def test_links_to_the_code_start_at_the_page(tmp_path):
    page().write(tmp_path / "deep" / "neuron.md", root="..")

    assert "- [a/b.py](../a/b.py)" in (tmp_path / "deep" / "neuron.md").read_text()


@given(st.text(st.sampled_from("ab-c. \n"), max_size=900))
def test_lines_are_short_and_no_word_is_lost(text):
    markdown = page(blocks=[f"x {text}"], claim=f"x {text}").markdown()

    assert all(len(line) <= WIDTH or " " not in line.removeprefix("> ") for line in markdown.splitlines())
    assert markdown.replace("\n> ", " ").split().count("x") == 2
    assert " ".join(f"x {text}".split()) in " ".join(markdown.split())
