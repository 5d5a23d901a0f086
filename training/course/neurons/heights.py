"""Galton's table: heights of 928 adult children and of their parents, as published.

Table I of "Regression towards mediocrity in hereditary stature", Journal of the Anthropological Institute of
Great Britain and Ireland 15, 1886. Figures of 1886 are free of rights, so they stand here; the packages that
bring them (R's HistData and psych, which agree in every cell) are under the GPL.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CHILDREN_IN = (61.7, 62.2, 63.2, 64.2, 65.2, 66.2, 67.2, 68.2, 69.2, 70.2, 71.2, 72.2, 73.2, 73.7)
"""Heights of the children, inches, daughters' times 1.08; the table says "below" and "above" at the ends."""

PARENTS_IN = (73.0, 72.5, 71.5, 70.5, 69.5, 68.5, 67.5, 66.5, 65.5, 64.5, 64.0)
"""Mean of the father's height and 1.08 times the mother's, inches; the ends again are open."""

TABLE = np.array([
    # below              children               above
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 0],  # parents above 72.5
    [0, 0, 0, 0, 0, 0, 0, 1, 2, 1, 2, 7, 2, 4],
    [0, 0, 0, 0, 1, 3, 4, 3, 5, 10, 4, 9, 2, 2],
    [1, 0, 1, 0, 1, 1, 3, 12, 18, 14, 7, 4, 3, 3],
    [0, 0, 1, 16, 4, 17, 27, 20, 33, 25, 20, 11, 4, 5],
    [1, 0, 7, 11, 16, 25, 31, 34, 48, 21, 18, 4, 3, 0],
    [0, 3, 5, 14, 15, 36, 38, 28, 38, 19, 11, 4, 0, 0],
    [0, 3, 3, 5, 2, 17, 17, 14, 13, 4, 0, 0, 0, 0],
    [1, 0, 9, 5, 7, 11, 11, 7, 7, 5, 2, 1, 0, 0],
    [1, 1, 4, 4, 1, 5, 5, 0, 2, 0, 0, 0, 0, 0],
    [1, 0, 2, 4, 1, 2, 2, 1, 1, 0, 0, 0, 0, 0],  # parents below 64.5
])  # fmt: skip
"""Number of children, int (11, 14): a row for each of PARENTS_IN, a column for each of CHILDREN_IN."""


def heights() -> tuple[Floats, Floats]:
    """The heights of the parents and of the child, inches, float64 (928,) each."""
    rows, columns = np.nonzero(TABLE)
    counts = TABLE[rows, columns]
    return np.repeat(np.array(PARENTS_IN)[rows], counts), np.repeat(np.array(CHILDREN_IN)[columns], counts)
