"""Lab: a framework by hand. Every gradient is checked, and two networks of it are served."""

import time

import numpy as np

from models.image.views import DigitView
from models.model import ZOO, open_model
from training.course.by_hand import figures, runs
from training.course.by_hand.runs import Pictures, accuracy
from training.course.page import Listing, Page, Table
from training.course.workbench import Workbench
from training.data import sources
from training.networks.from_scratch.optimisers import Adam

STEP = 0.1
"""How far a pixel of [0, 1] is moved along the sign of its gradient."""

LARGEST_ERROR = 1e-6
"""Of a gradient against central differences, relative to its length."""

LARGEST_GAP = 0.003
"""Of a served network's accuracy behind that of its sibling from PyTorch."""

SIBLINGS = {"digits-numpy-linear": "digits-linear", "digits-numpy-mlp": "digits-mlp"}


def run(workbench: Workbench) -> Page:
    """Check every gradient, learn by the rule, by five optimisers and by a CNN, look at what is served."""
    splits = sources.load("mnist", DigitView(), workbench.data, 6000 if workbench.small else None)
    train, test = Pictures.of(splits.train), Pictures.of(splits.test)
    errors = runs.gradient_errors(np.random.default_rng(0))
    worst = max(errors.values())
    rule, courses = runs.linear_rule(workbench, train, test), runs.optimiser_courses(workbench, train)

    rng = np.random.default_rng(0)
    cnn, start = runs.small_cnn(rng), time.process_time()
    batches = train.batches(100, workbench.size(5, 2), rng)
    tracked = workbench.track(batches, "a CNN in NumPy")
    cnn_losses = runs.learn(cnn, Adam(cnn.parameters, 4e-3), train, tracked, len(batches))
    seconds, cnn_right = time.process_time() - start, accuracy(cnn, test)
    some = Pictures(test.x[:500], test.classes[:500])
    fooled = runs.along_the_gradient(cnn, some, STEP)
    still_right = accuracy(cnn, fooled)

    cards = {name: open_model(ZOO / f"{name}.onnx").card for pair in SIBLINGS.items() for name in pair}
    right = {name: card.measured.values["accuracy"] for name, card in cards.items()}
    gap = max(right[sibling] - right[ours] for ours, sibling in SIBLINGS.items())
    holds = worst < LARGEST_ERROR and gap <= LARGEST_GAP and cnn_right > (0.85 if workbench.small else 0.98)
    return Page(
        title="A framework by hand",
        claim="A network needs no framework: NumPy, a derivative for each layer and the chain rule will do.",
        holds=holds,
        verdict=(
            f"The largest error of {len(errors)} gradients against central differences is {worst:.1e}. "
            + "".join(
                f"{ours}, which is served, is right on {right[ours]:.2%} of MNIST's test pictures, its "
                f"sibling from PyTorch on {right[other]:.2%}. "
                for ours, other in SIBLINGS.items()
            )
            + f"A small CNN reaches {cnn_right:.2%} in {seconds:.0f} seconds of CPU time."
        ),
        blocks=[
            "## Every gradient, checked",
            """A layer is three functions: forward, the loss's gradient by its input, and that by its
            parameters. Whoever writes the last two by hand makes mistakes that no exception reports:
            the network only learns a little worse. Central differences find them. Each number goes up
            and down by a tiny step, and the change of the loss, divided by the way, must be the
            gradient.""",
            Table(("gradient of", "relative error"), [(name, f"{e:.0e}") for name, e in errors.items()]),
            """Errors are relative to the length of the gradient, in float64. The steps of the five
            optimisers and all gradients are compared with PyTorch's in
            tests/training/networks/from_scratch.""",
            "## The lectures' rule",
            """One linear layer needs no chain rule at all. X has a picture in each column, Y = W X are the
            scores, P their softmax, and E is what should have been answered minus P:""",
            Listing("W += lr * E X^T"),
            """Pictures are added to the template of their class and taken off those that claimed them.
            This is gradient descent on the cross entropy. digits-numpy-linear learned by it, longer
            than here.""",
            figures.rule(workbench, rule),
            "## Five optimisers",
            """The same MLP of 64 hidden units, from the same weights, on the same mini-batches of 200:
            what differs is only what a step does with the gradient.""",
            figures.optimisers(workbench, courses),
            "## A CNN",
            """A convolution lays all windows of a picture out as rows of a matrix, and is then a matrix
            product like any other layer; its gradient by the input puts the rows back. Two convolutions
            of 8 and 16 filters, pooling after each, and a linear layer learn MNIST by Adam and a
            one-cycle schedule.""",
            figures.cnn(workbench, cnn_losses, cnn_right),
            "## The gradient of a picture",
            f"""The chain rule does not stop at the first layer's weights: it goes on to the pixels. Red
            pixels would raise the loss if they were brighter, blue ones if they were darker. A step of
            {STEP:g} of the whole range along the sign of that gradient leaves a picture as readable as
            before to us; the CNN reads {still_right:.0%} of {len(some.x)} such pictures, and
            {accuracy(cnn, some):.0%} without it.""",
            figures.pixel_gradients(workbench, cnn, some, runs.pixel_gradients(cnn, some), fooled),
            "## Served",
            """The weights of both are copied into PyTorch networks of the same shape after
            training: calibration, familiarity, card and file are those of every other model, and so is
            the service.""",
            Table(
                ("served", "right", "its sibling", "right"),
                [
                    (ours, f"{right[ours]:.2%}", other, f"{right[other]:.2%}")
                    for ours, other in SIBLINGS.items()
                ],
            ),
            figures.served(workbench, {name: cards[name].curves for name in SIBLINGS}),
        ],
        code=[
            "training/networks/from_scratch/layers.py",
            "training/networks/from_scratch/convolution.py",
            "training/networks/from_scratch/optimisers.py",
            "training/networks/from_scratch/templates.py",
            "training/fitting/from_scratch/fit.py",
            "training/course/by_hand/framework.py",
            "training/course/by_hand/runs.py",
        ],
        try_this="""Break a derivative, for instance by leaving out `(1 - self._y)` in the sigmoid of
        training/networks/from_scratch/activations.py, and run `python -m training lab numpy --small`.""",
        values={
            "largest_error": worst,
            "rule_accuracy": rule[-1][1],
            "cnn_accuracy": cnn_right,
            "cnn_cpu_s": seconds,
            "fooled_accuracy": still_right,
            "gap": gap,
            **{f"last_loss {name}": float(np.mean(course[-20:])) for name, course in courses.items()},
        },
    )
