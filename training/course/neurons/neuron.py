"""Lab neuron: what one neuron decides, what it cannot decide, how it learns, and what layers add.

The parts are in training/course/neurons/boundaries: truth tables in gates.py, the two rules of learning in
comparison.py, the spiral in spiral.py, pictures of a plane in plots.py.
"""

from collections.abc import Callable
from functools import partial
from itertools import product

import numpy as np
import torch

from training.course.neurons.boundaries import comparison, gates, plots, spiral
from training.course.neurons.boundaries.gates import GATES, POINTS, Array, sigmoid, step
from training.course.page import Listing, Page, Table
from training.course.workbench import Workbench

HIDDEN = (1, 2, 3, 4, 8)
STARTS = 100
FOLDER = "training/course/neurons"


def truth_table(weights: Array) -> Table:
    """What a neuron with these weights says at the four points, with each activation."""
    rows = []
    for index, (x1, x2) in enumerate(POINTS):
        z = gates.with_one(POINTS)[index] @ weights
        outputs = [f"{activation(z):.5f}" for activation in gates.ACTIVATIONS.values()]
        rows.append((f"{x1:g}", f"{x2:g}", f"{z:g}", *outputs))
    return Table(("x₁", "x₂", "z", *gates.ACTIVATIONS), rows)


def learned(gate: str, rule: Callable[[Array], Array], epochs: int = 400) -> Array:
    """The weights (epochs + 1, 3) on the way to a gate: one point to an update, or all four with the sigmoid.

    Both begin at some wrong place; where the perceptron ends depends on it.
    """
    start, batch = np.array([1.0, 2.0, -3.0]), 1 if rule is step else 4
    return gates.learn(POINTS, np.array(GATES[gate]), rule, epochs=epochs, batch=batch, start=start)


def epochs_until_right(gate: str, history: Array) -> int:
    """The first epoch after which all four points are right, -1 where there is none."""
    right = ((gates.with_one(POINTS) @ history.T > 0) == np.array(GATES[gate], bool)[:, None]).all(axis=0)
    return int(right.argmax()) if right.any() else -1


def run(workbench: Workbench) -> Page:
    """Truth tables, the proof about XOR, both rules of learning, two layers, and the spiral."""
    perceptron = {gate: learned(gate, step) for gate in GATES}
    logistic = {gate: learned(gate, sigmoid) for gate in GATES}
    epochs = {gate: epochs_until_right(gate, history) for gate, history in perceptron.items()}
    xor = GATES["XOR"]
    xor_outputs = gates.neuron(logistic["XOR"][-1], POINTS, sigmoid)
    xor_loss = gates.mean_cross_entropy(logistic["XOR"][-1], POINTS, np.array(xor))
    seen = {tuple(weights) for weights in perceptron["XOR"]}
    possible = [gates.separating_weights(table) is not None for table in product((0, 1), repeat=4)]
    shares = gates.contradiction(xor)
    best, tried = gates.best_of_grid(xor)

    steps = workbench.size(2000, 1000)
    hidden = {h: gates.learn_xor(h, STARTS, steps) for h in workbench.track(HIDDEN, "XOR by two layers")}
    two_layers = partial(_probability, hidden[4][1])
    rules, spirals = comparison.section(workbench), spiral.section(workbench)

    values = {
        "and_epochs": epochs["AND"],
        "or_epochs": epochs["OR"],
        "xor_epochs": epochs["XOR"],
        "xor_weights_seen": len(seen),
        "xor_best_of_grid": best,
        "xor_logistic_loss": xor_loss,
        "separable_tables": sum(possible),
        **{f"xor_solved_hidden_{h}": share for h, (share, _) in hidden.items()},
        **rules.values,
        **spirals.values,
    }
    impossible = (
        gates.separating_weights(xor) is None and shares is not None and best < 4 and epochs["XOR"] < 0
    )
    solved = bool(np.array_equal(gates.xor_by_hand(POINTS) > 0.5, np.array(xor, bool))) and hidden[4][0] > 0.9
    return Page(
        title="One neuron, and what layers add",
        claim="A neuron cuts the space of its inputs in two with a straight line, which is enough for AND"
        " and OR; XOR needs a second layer.",
        holds=impossible and solved and epochs["AND"] > 0 and epochs["OR"] > 0,
        verdict=f"The perceptron rule finds AND in {epochs['AND']} passes and OR in {epochs['OR']}; for XOR"
        f" the linear programme has no solution, none of {tried:,} neurons on a grid gets more than {best}"
        f" of the 4 points right, and two layers with four hidden units solve it from {hidden[4][0]:.0%} of"
        f" {STARTS} random starts.",
        blocks=[
            "## One neuron by hand",
            "A neuron multiplies each input with a weight, adds a bias, and sends the sum z through an"
            " activation. The lectures set the bias to -30 and both weights to 20. Then z is positive only"
            " where both inputs are 1:",
            truth_table(np.array(gates.LECTURE_AND)),
            "The step says 0 or 1. The sigmoid says nearly the same, but it has a slope that one can learn"
            " by. tanh does so between -1 and 1, and a ReLU passes on how far z is on the positive side."
            " The decision is the same for all four: yes where z > 0.",
            workbench.save(
                plots.activations_figure(),
                "activations",
                "The output of one neuron over two"
                " inputs with step, sigmoid, tanh and ReLU: as a surface and as contours.",
            ),
            "All contours are parallel lines, at right angles to the weights (the arrow); the black one is"
            " z = 0. The activation decides how the output changes across the lines, never their direction."
            " The bias moves them; longer weights make the slope steeper.",
            "## AND and OR learned, XOR not",
            "The rule is the same for the step and for the sigmoid: w grows by (t - y) x. With the step it"
            " is Rosenblatt's perceptron rule; with the sigmoid it is gradient descent on the cross"
            " entropy, which is logistic regression.",
            Table(
                (
                    "gate",
                    "perceptron right after",
                    "its weights (b, w₁, w₂)",
                    "logistic regression's weights",
                    "its cross entropy",
                ),
                [_row(gate, epochs[gate], perceptron[gate][-1], logistic[gate][-1]) for gate in GATES],
            ),
            workbench.save(
                plots.gates_figure(
                    [
                        (
                            "AND, the lectures' weights",
                            "AND",
                            partial(_sigmoid_neuron, np.array(gates.LECTURE_AND)),
                        ),
                        ("AND, learned", "AND", partial(_sigmoid_neuron, logistic["AND"][-1])),
                        ("OR, learned", "OR", partial(_sigmoid_neuron, logistic["OR"][-1])),
                        ("XOR, one neuron learned", "XOR", partial(_sigmoid_neuron, logistic["XOR"][-1])),
                        ("XOR, two layers by hand", "XOR", gates.xor_by_hand),
                        ("XOR, two layers learned", "XOR", two_layers),
                    ]
                ),
                "gates",
                "Outputs over the plane for AND, OR and XOR; one neuron gives XOR an even 0.5, two"
                " layers solve it.",
            ),
            f"On XOR the perceptron runs in a circle: in 400 passes its weights have only {len(seen)}"
            " different values at the end of a pass. Logistic regression comes to rest, with all weights at"
            f" 0: it says {xor_outputs[0]:.2f} to every point, and its cross entropy is {xor_loss:.4f},"
            " which is ln 2, that of a coin.",
            "## Why no neuron can",
            "Say yes is z > 0. XOR asks for four things at once:",
            Listing(
                "no  at (0, 0):  b            <= 0\nyes at (0, 1):  b      + w2  >  0\nyes at (1, 0):"
                "  b + w1       >  0\nno  at (1, 1):  b + w1 + w2  <= 0"
            ),
            "The two in the middle add up to 2b + w1 + w2 > 0, the outer two to 2b + w1 + w2 <= 0. Both"
            " cannot be. Any activation that never falls, with any threshold on its output, asks the same"
            " of b and the weights, so none of the four helps.",
            "A linear programme says so without our cleverness. It looks for weights with a margin on the"
            " right side of all four points: there are none for XOR, and its dual finds the shares"
            f" {_numbers(shares)} of the four inequalities whose sum is the contradiction 0 >= 1. Of all 16"
            f" truth tables of two inputs it finds weights for {sum(possible)}; the two others are XOR and"
            f" its opposite. And a plain search through {tried:,} neurons, each weight between -10 and 10,"
            f" finds {best} points of 4 at best.",
            "## Two layers can",
            "XOR is (OR) and not (AND). Two neurons in a first layer compute these, a third neuron combines"
            " them with the weights (-10, 20, -20): three lines of the lectures' kind. Or the layers learn"
            " it, by gradient descent from random weights:",
            Table(
                ("hidden units", f"of {STARTS} starts that solve XOR"),
                [(h, f"{share:.0%}") for h, (share, _) in hidden.items()],
            ),
            "One hidden unit is still one line, and never does it. Two are enough, but descent gets stuck"
            " in every other start; a few more than necessary make it easy. That is a reason why networks"
            " are wider than they would have to be.",
            *rules.blocks,
            *spirals.blocks,
            "## Play",
            workbench.save_playground(
                "neuron.html",
                "playground",
                "Drag the weights of one neuron and see what it decides.",
                {
                    "gates": GATES,
                    "lecture": gates.LECTURE_AND,
                    "learned": {
                        gate: [round(w, 3) for w in history[-1].tolist()]
                        for gate, history in logistic.items()
                    },
                    "best": best,
                    "tried": tried,
                },
            ),
        ],
        code=[
            f"{FOLDER}/neuron.py",
            *(f"{FOLDER}/boundaries/{name}.py" for name in ("gates", "comparison", "spiral", "plots")),
        ],
        try_this="Open the playground of `python -m training lab neuron` (runs/lab/neuron/playground.html),"
        " choose XOR and try to get four points right. Then set `HIDDEN` in"
        " training/course/neurons/neuron.py to (2,) and `STARTS` to 1000: how often do two hidden units"
        " find it?",
        values=values,
    )


def _sigmoid_neuron(weights: Array, points: Array) -> Array:
    return gates.neuron(weights, points, sigmoid)


def _probability(parameters: list[torch.Tensor], points: Array) -> Array:
    logits = gates.two_layers(parameters, torch.tensor(points, dtype=torch.float32))
    return torch.sigmoid(logits).numpy().astype(np.float64)


def _row(gate: str, epochs: int, perceptron: Array, logistic: Array) -> tuple[str, ...]:
    loss = gates.mean_cross_entropy(logistic, POINTS, np.array(GATES[gate]))
    after = f"{epochs} passes" if epochs >= 0 else "never"
    return gate, after, _numbers(perceptron), _numbers(logistic), f"{loss:.4f}"


def _numbers(numbers: Array) -> str:
    return "(" + ", ".join(f"{number + 0.0:.3g}" for number in np.round(numbers, 6)) + ")"
