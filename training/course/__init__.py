"""The labs of the course: each system of the lectures, run on the networks that are served.

A lab is a module with `run(workbench) -> Page` (training/course/page.py); LABS names them in reading order.
Nothing outside this package depends on it, save the command line.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from training.course.workbench import RunLab


@dataclass(frozen=True)
class Lab:
    """One lab.

    Attributes:
        name: As the command line takes it.
        module: Where its `run` is; imported only when the lab runs.
        summary: One line for the list of labs.
    """

    name: str
    module: str
    summary: str

    def load(self) -> "RunLab":
        """The lab's function."""
        return cast("RunLab", import_module(self.module).run)


NEURONS, LEARNING = "training.course.neurons", "training.course.learning"
VISION, TOOLS = "training.course.vision", "training.course.tools"

LABS: dict[str, Lab] = {
    lab.name: lab
    for lab in (
        Lab(
            "neuron",
            f"{NEURONS}.neuron",
            "one neuron: what it can and cannot decide, and what layers add",
        ),
        Lab("graph", f"{NEURONS}.graph", "the computation graph: each value and gradient on its edges"),
        Lab(
            "numpy",
            "training.course.by_hand.framework",
            "a framework by hand: gradients checked, two models served",
        ),
        Lab(
            "shapes",
            f"{NEURONS}.shapes",
            "matrix products, and a batch's way through each served network",
        ),
        Lab("galton", f"{NEURONS}.galton", "Galton's heights: a linear layer finds the least-squares line"),
        Lab("templates", f"{VISION}.templates", "linear layers match templates: ten weight rows as pictures"),
        Lab("batches", f"{LEARNING}.batches", "one picture, 200 or all of them to a step"),
        Lab(
            "learning-rate", f"{LEARNING}.learning_rate", "too small, right, too large; schedules, optimisers"
        ),
        Lab(
            "landscape", f"{LEARNING}.landscape", "the loss surface around a CNN, with and without shortcuts"
        ),
        Lab(
            "one-price",
            f"{LEARNING}.one_price",
            "the workshop: memorise one price, and why that is not learning",
        ),
        Lab("metrics", f"{LEARNING}.metrics", "metrics are not losses: one rises while the other falls"),
        Lab("filters", f"{VISION}.filters", "from edge detectors by hand to learned filters"),
        Lab("our-cnn", f"{VISION}.our_cnn", "the lecture's CNN beside an MLP of as many parameters"),
        Lab(
            "descriptors",
            "training.course.transfer.descriptors",
            "a pretrained network without its last layer describes pictures",
        ),
        Lab("fiftyone", f"{TOOLS}.fiftyone", "pictures, truth and predictions as a FiftyOne dataset"),
        Lab("wandb", f"{TOOLS}.wandb", "runs in Weights & Biases, with curves, confusion and gallery"),
        Lab("questions", f"{LEARNING}.questions", "the review questions that a run can answer"),
    )
}
"""In the order in which one reads them."""
