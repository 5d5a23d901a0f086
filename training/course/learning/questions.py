"""The review questions of the lectures that have a measurable answer, each answered by a run.

Most take seconds on a few thousand digits (training/course/learning/review); where a lab of the course runs
the answer at length, the page names it.
"""

from collections.abc import Iterator

from training.course.learning.review import layers, losses, regularisation, training_loop, vanishing
from training.course.learning.review.answer import Answer, load_digits
from training.course.page import Block, Page, Table
from training.course.workbench import Workbench

ELSEWHERE = (
    ("How many layers does a mapping need that no line can separate?", "neuron"),
    ("What is a Jacobian, what a Hessian?", "graph"),
    ("How do momentum and Adam differ from plain gradient descent?", "learning-rate"),
    ("How large may a batch be, and what does its size change?", "batches"),
    ("What are learning rate decay and weight decay?", "learning-rate"),
    ("How long should one train, and when does early stopping stop?", "one-price"),
    ("What do bias and variance look like?", "one-price"),
    ("Is f1 a loss or a metric?", "metrics"),
    ("Why normalise pictures as those of the pretraining were?", "descriptors"),
)
"""Questions that a lab answers."""


def run(workbench: Workbench) -> Page:
    """Ask all of them."""
    digits = load_digits(workbench)
    answers = [
        *vanishing.ask(workbench, digits),
        *training_loop.ask(workbench, digits),
        *regularisation.ask(workbench, digits),
        *losses.ask(workbench, digits),
        *layers.ask(),
    ]
    held = sum(answer.holds for answer in answers)
    failed = [answer.question for answer in answers if not answer.holds]
    values = {name: value for answer in answers for name, value in answer.values.items()}
    return Page(
        title="Review questions, answered by runs",
        claim="Of the questions at the end of the lectures, those about training have answers that a run"
        " can give.",
        holds=held == len(answers),
        verdict=f"{held} of {len(answers)} runs answer as a lecture would."
        + (" Not so: " + " ".join(failed) if failed else "")
        + " Behind sigmoids nine in ten gradients of the first layer are 0 from"
        f" {values['gone_sigmoid_8']:.0f} layers on in 8 bits, {values['gone_sigmoid_16']:.0f} in 16 and"
        f" {values['gone_sigmoid_32']:.0f} in 32, behind ReLU at no depth tried.",
        blocks=[
            f"All runs use {len(digits.train):,} digits of MNIST to train on and {len(digits.test):,} to"
            " test on, where they do not say otherwise, a network with one hidden layer, and plain gradient"
            " descent.",
            *(block for answer in answers for block in _section(answer)),
            "## Answered on other pages",
            Table(("question", "page"), [(asked, f"[{lab}]({lab}.md)") for asked, lab in ELSEWHERE]),
        ],
        code=[
            "training/course/learning/questions.py",
            *(
                f"training/course/learning/review/{name}.py"
                for name in ("vanishing", "training_loop", "regularisation", "losses", "layers")
            ),
        ],
        try_this="Add torch.bfloat16 to FORMATS in training/course/learning/review/vanishing.py, with its"
        " smallest number, 2.0**-133, in SMALLEST, and run `python -m training lab questions`: it has 16"
        " bits, but the range of 32. How many layers does it reach back?",
        values=values,
    )


def _section(answer: Answer) -> Iterator[Block]:
    yield f"## {answer.question}"
    yield answer.text if answer.holds else f"{answer.text} This run does not bear it out."
    yield from answer.blocks
