"""Digits drawn stroke by stroke, in shapes that are rare in MNIST.

MNIST's handwriting is American. Here are a one with flag and foot, a crossed seven, an open four, a slashed
nought: templates of a few control points, bent, slanted and drawn with a pen of random width, so that no two
digits are the same.
"""

import cv2
import numpy as np
import numpy.typing as npt

Ink = npt.NDArray[np.uint8]
"""uint8 (height, width): 255 on a stroke, 0 elsewhere, values between on its edge."""

Point = tuple[float, float]

CURVE, LINE = True, False
Stroke = tuple[bool, tuple[Point, ...]]
"""CURVE: smooth through its points. LINE: straight between them. Points: (right, down) in a unit square."""

RING: Stroke = (CURVE, ((0.5, 0.0), (0.12, 0.22), (0.06, 0.6), (0.3, 0.97), (0.7, 0.95), (0.94, 0.6),
                        (0.88, 0.22), (0.5, 0.0)))  # fmt: skip
STEM: Stroke = (LINE, ((0.55, 0.0), (0.55, 1.0)))
FLAG: Stroke = (LINE, ((0.18, 0.33), (0.55, 0.0)))
FOOT: Stroke = (LINE, ((0.2, 1.0), (0.9, 1.0)))
ROOF: Stroke = (LINE, ((0.05, 0.03), (0.9, 0.0), (0.4, 1.0)))
HOOK: Stroke = (CURVE, ((0.92, 0.02), (0.7, 0.35), (0.52, 0.68), (0.45, 1.0)))

TEMPLATES: dict[int, tuple[tuple[Stroke, ...], ...]] = {
    0: ((RING,), (RING, (LINE, ((0.85, 0.05), (0.15, 0.95))))),
    1: (
        (STEM,), (FLAG, STEM), (FLAG, STEM, FOOT), (STEM, FOOT),
        ((LINE, ((0.3, 0.14), (0.55, 0.0), (0.55, 1.0))),),
        ((CURVE, ((0.05, 0.42), (0.35, 0.2), (0.6, 0.0))), (LINE, ((0.6, 0.0), (0.5, 1.0)))),
    ),
    2: (
        ((CURVE, ((0.1, 0.25), (0.4, 0.0), (0.85, 0.18), (0.7, 0.55), (0.1, 0.98))),
         (LINE, ((0.1, 0.98), (0.95, 0.96)))),
        ((CURVE, ((0.08, 0.22), (0.5, 0.0), (0.85, 0.25), (0.5, 0.7), (0.12, 0.92), (0.2, 0.75),
                  (0.5, 0.9), (0.95, 0.92))),),
        ((CURVE, ((0.1, 0.2), (0.5, 0.0), (0.85, 0.2), (0.55, 0.6), (0.05, 1.0))),
         (CURVE, ((0.05, 1.0), (0.4, 0.88), (0.7, 1.0), (0.98, 0.9)))),
    ),
    3: (
        ((CURVE, ((0.12, 0.12), (0.5, 0.0), (0.85, 0.2), (0.65, 0.42), (0.38, 0.47))),
         (CURVE, ((0.38, 0.47), (0.8, 0.58), (0.88, 0.82), (0.5, 1.0), (0.08, 0.88)))),
        ((LINE, ((0.1, 0.0), (0.85, 0.0), (0.42, 0.42))),
         (CURVE, ((0.42, 0.42), (0.85, 0.55), (0.85, 0.85), (0.45, 1.0), (0.08, 0.87)))),
    ),
    4: (
        ((LINE, ((0.25, 0.0), (0.08, 0.58), (0.95, 0.55))), (LINE, ((0.7, 0.2), (0.66, 1.0)))),
        ((LINE, ((0.68, 1.0), (0.7, 0.0), (0.05, 0.68), (0.97, 0.68))),),
        ((CURVE, ((0.15, 0.02), (0.1, 0.3), (0.25, 0.52), (0.75, 0.45))), (LINE, ((0.8, 0.0), (0.72, 1.0)))),
        ((LINE, ((0.5, 0.0), (0.05, 0.62), (0.97, 0.62))), (LINE, ((0.68, 0.35), (0.68, 1.0)))),
    ),
    5: (
        ((LINE, ((0.88, 0.0), (0.2, 0.02), (0.15, 0.42))),
         (CURVE, ((0.15, 0.42), (0.6, 0.38), (0.9, 0.65), (0.6, 0.98), (0.08, 0.92)))),
        ((CURVE, ((0.22, 0.03), (0.14, 0.42), (0.6, 0.38), (0.88, 0.66), (0.55, 0.98), (0.06, 0.9))),
         (LINE, ((0.2, 0.03), (0.92, 0.0)))),
    ),
    6: (
        ((CURVE, ((0.75, 0.0), (0.3, 0.25), (0.08, 0.7), (0.35, 1.0), (0.8, 0.88), (0.78, 0.58), (0.4, 0.52),
                  (0.12, 0.72))),),
        ((CURVE, ((0.35, 0.0), (0.12, 0.4), (0.1, 0.8), (0.45, 1.0), (0.85, 0.8), (0.65, 0.55), (0.3, 0.6),
                  (0.12, 0.78))),),
    ),
    7: (
        (ROOF,), (ROOF, (LINE, ((0.3, 0.5), (0.9, 0.48)))),
        ((LINE, ((0.06, 0.04), (0.92, 0.02))), HOOK),
        ((LINE, ((0.06, 0.2), (0.08, 0.02), (0.92, 0.02))), HOOK),
        ((LINE, ((0.06, 0.04), (0.92, 0.02))), HOOK, (LINE, ((0.35, 0.52), (0.92, 0.5)))),
    ),
    8: (
        ((CURVE, ((0.82, 0.15), (0.45, 0.0), (0.15, 0.2), (0.5, 0.47), (0.88, 0.75), (0.5, 1.0), (0.1, 0.78),
                  (0.5, 0.47), (0.85, 0.2), (0.78, 0.08))),),
        ((CURVE, ((0.5, 0.0), (0.2, 0.22), (0.5, 0.46), (0.8, 0.22), (0.5, 0.0))),
         (CURVE, ((0.5, 0.46), (0.1, 0.74), (0.5, 1.0), (0.9, 0.74), (0.5, 0.46)))),
    ),
    9: (
        ((CURVE, ((0.85, 0.25), (0.5, 0.0), (0.15, 0.22), (0.45, 0.5), (0.85, 0.22))),
         (LINE, ((0.85, 0.2), (0.8, 1.0)))),
        ((CURVE, ((0.85, 0.22), (0.5, 0.0), (0.15, 0.22), (0.45, 0.5), (0.85, 0.25), (0.85, 0.7), (0.55, 1.0),
                  (0.12, 0.9))),),
        ((CURVE, ((0.82, 0.12), (0.42, 0.0), (0.14, 0.28), (0.5, 0.48), (0.85, 0.2), (0.7, 0.6),
                  (0.45, 1.0))),),
    ),
}  # fmt: skip
"""The shapes of each digit, one of which is drawn at random."""


def draw_digit(digit: int, height: int, rng: np.random.Generator) -> Ink:
    """A digit of random shape, slant and pen width in a tight frame.

    Args:
        digit: 0 to 9.
        height: Pixels, about.
        rng: Decides all that is random.
    """
    shapes = TEMPLATES[digit]
    aspect = rng.uniform(0.35, 1.0) if digit != 1 else rng.uniform(0.25, 0.8)
    angle, slant = rng.normal(0, 0.1), rng.normal(0, 0.25)
    affine = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    affine = affine @ np.array([[1, -slant], [0, 1]]) @ np.diag([aspect, 1.0]) * height
    wobble = rng.uniform(0.0, 0.04)
    lines = [
        (_smooth(points) if curved else points) @ affine.T
        for curved, control in shapes[int(rng.integers(len(shapes)))]
        for points in [np.asarray(control) + rng.normal(0, wobble, (len(control), 2))]
    ]
    pen = max(round(float(np.exp(rng.uniform(np.log(0.025), np.log(0.17)))) * height), 1)
    margin = pen // 2 + 4
    corner = np.min([line.min(axis=0) for line in lines], axis=0) - margin
    columns, rows = (np.max([line.max(axis=0) for line in lines], axis=0) - corner + margin).astype(int) + 1
    ink = np.zeros((rows, columns), np.uint8)
    for line in lines:
        dots = np.round((line - corner) * 16).astype(np.int32)  # sixteenths of a pixel, by cv2's `shift`
        cv2.polylines(ink, [dots], False, 255, pen, cv2.LINE_AA, shift=4)
    return ink


def _smooth(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A Catmull-Rom spline through the points, in eight steps from each to the next."""
    ends = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = np.linspace(0, 1, 8, endpoint=False)[:, None, None]
    before, start, end, after = ends[:-3], ends[1:-2], ends[2:-1], ends[3:]
    curve = 0.5 * (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    )
    return np.concatenate([curve.transpose(1, 0, 2).reshape(-1, 2), points[-1:]])
