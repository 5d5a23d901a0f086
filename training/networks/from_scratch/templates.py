"""The lectures' first learner, in their notation: a linear layer that adds pictures to templates.

One row of W is the template of one class. A picture's score for a class is their inner product; after each
mini-batch the pictures are added to the templates, weighted by how wrong the answers were. No chain rule is
needed, and yet this is gradient descent on the cross entropy (tests/training/networks/from_scratch).
"""

import numpy as np

from training.networks.from_scratch.activations import log_softmax
from training.networks.from_scratch.layers import Array
from training.networks.from_scratch.losses import Classes


class Templates:
    """W, changed in place.

    Attributes:
        W: (K, D + 1), one template per class; the last column is the bias, the weight of a pixel that is
            always 1.
    """

    def __init__(self, weight: Array, bias: Array) -> None:
        """Weight (K, D) and bias (K,)."""
        self.W = np.column_stack([weight, bias])

    def scores(self, pictures: Array) -> Array:
        """Pictures (N, D) -> Y^T, (N, K)."""
        return (self.W @ _columns(pictures)).T

    def learn(self, pictures: Array, classes: Classes, learning_rate: float) -> tuple[float, Array]:
        """One step of the rule: W += lr * E X^T.

        Args:
            pictures: (N, D), the mini-batch.
            classes: (N,), what they show.
            learning_rate: lr; E X^T is a sum over the mini-batch, not a mean.

        Returns:
            The mean cross entropy before the step, and the scores (N, K) it was measured on.
        """
        X = _columns(pictures)  # noqa: N806
        Y = self.W @ X  # noqa: N806
        log_P = log_softmax(Y.T).T  # noqa: N806
        E = np.eye(len(self.W), dtype=X.dtype)[:, classes] - np.exp(log_P)  # noqa: N806
        self.W += learning_rate * (E @ X.T)
        return float(-log_P[classes, np.arange(len(classes))].mean()), Y.T


def _columns(pictures: Array) -> Array:
    """X, (D + 1, N): a picture is a column, with a 1 below it."""
    return np.column_stack([pictures, np.ones(len(pictures), pictures.dtype)]).T
