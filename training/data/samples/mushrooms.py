"""Drawn mushrooms: pictures to try `python -m training new` with, where there are none of one's own."""

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw

from models.image.decode import Picture

SIDE = 240
"""Pixels of a side of every drawing."""

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Kind:
    """What a mushroom looks like; lengths are fractions of the picture's side.

    Attributes:
        cap: Its colour.
        stem: Its colour.
        width: From the middle of the cap to its edge.
        height: Of the cap.
        thickness: From the middle of the stem to its edge, at its top and at its foot.
        dots: White ones on the cap.
        funnel: Whether the cap opens upwards and narrows into the stem.
    """

    cap: Colour
    stem: Colour
    width: float
    height: float
    thickness: tuple[float, float]
    dots: int = 0
    funnel: bool = False


KINDS = {
    "bay-bolete": Kind((110, 62, 34), (196, 152, 92), 0.25, 0.21, (0.050, 0.052)),
    "chanterelle": Kind((236, 168, 40), (226, 176, 74), 0.25, 0.20, (0.070, 0.035), funnel=True),
    "fly-agaric": Kind((204, 36, 24), (240, 234, 220), 0.26, 0.20, (0.038, 0.055), dots=14),
    "porcini": Kind((140, 88, 48), (226, 206, 172), 0.25, 0.20, (0.070, 0.100)),
}
LATER = {"ink-cap": Kind((226, 222, 214), (236, 232, 226), 0.12, 0.42, (0.026, 0.030))}
"""Not among the classes at first: what a model is taught afterwards."""


def draw_mushroom(kind: Kind, rng: np.random.Generator) -> Image.Image:
    """One mushroom in the grass: RGB, SIDE x SIDE; size, place, tilt, colour and light are random."""
    size = SIDE * float(rng.uniform(0.75, 1.15))
    x, ground = SIDE * float(rng.uniform(0.4, 0.6)), SIDE * float(rng.uniform(0.80, 0.95))
    neck = ground - size * float(rng.uniform(0.30, 0.45))
    width, height = size * kind.width * float(rng.uniform(0.85, 1.1)), size * kind.height
    top, foot = (size * part * float(rng.uniform(0.85, 1.2)) for part in kind.thickness)
    cap, stem = _tinted(kind.cap, rng), _tinted(kind.stem, rng)
    image = Image.new("RGBA", (SIDE, SIDE))
    pen = ImageDraw.Draw(image)
    pen.polygon([(x - top, neck - 4), (x + top, neck - 4), (x + foot, ground), (x - foot, ground)], stem)
    pen.ellipse((x - foot, ground - 0.5 * foot, x + foot, ground + 0.5 * foot), stem)
    if kind.funnel:
        rim = [(x + width * step, neck - height + rng.uniform(-6, 6)) for step in np.linspace(1, -1, 9)]
        pen.polygon([(x - top, neck + 0.3 * height), (x + top, neck + 0.3 * height), *rim], cap)
    else:
        pen.pieslice((x - width, neck - height, x + width, neck + height), 180, 360, cap)
        pen.ellipse((x - width, neck - 0.15 * height, x + width, neck + 0.15 * height), cap)
    for _ in range(kind.dots):
        angle, far = rng.uniform(1.1, 1.9) * np.pi, rng.uniform(0.2, 0.85)
        dot_x, dot_y = x + width * far * np.cos(angle), neck + height * far * np.sin(angle)
        dot = size * rng.uniform(0.008, 0.02)
        pen.ellipse((dot_x - dot, dot_y - dot, dot_x + dot, dot_y + dot), (245, 240, 230))
    image = image.rotate(float(rng.normal(0, 7)), Image.Resampling.BICUBIC, center=(x, ground))
    scene = Image.fromarray(_grass(rng))
    scene.paste(image, mask=image.getchannel("A"))
    blades = ImageDraw.Draw(scene)
    for foot_x in rng.uniform(0, SIDE, 30):
        tip = (foot_x + rng.normal(0, 8), ground - rng.uniform(0, 25))
        blades.line([(foot_x, SIDE), tip], _tinted((70, 110, 40), rng), 2)
    light = rng.uniform(0.6, 1.1) + rng.normal(0, 0.04, (SIDE, SIDE, 1))
    return Image.fromarray((np.asarray(scene) * light).clip(0, 255).astype(np.uint8))


def _grass(rng: np.random.Generator) -> Picture:
    """Green and brown clouds, out of focus: uint8 (SIDE, SIDE, 3)."""
    clouds = rng.uniform(0, 1, (12, 12, 1)).astype(np.float32)
    share = cv2.resize(clouds, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)[:, :, None].clip(0, 1)
    mixed = share * _tinted((84, 120, 50), rng) + (1 - share) * _tinted((96, 78, 50), rng)
    return mixed.clip(0, 255).astype(np.uint8)


def _tinted(colour: Colour, rng: np.random.Generator) -> Colour:
    """Nearly the same colour."""
    red, green, blue = (int(min(max(part + rng.normal(0, 8), 0), 255)) for part in colour)
    return red, green, blue
