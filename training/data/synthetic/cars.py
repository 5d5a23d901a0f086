"""Drawn cars, whose price is a known function of the drawing plus noise.

They train and test the whole price pipeline in a minute, without any photo. The best possible median
error is known: that of the noise, whose standard deviation on the log scale is `NOISE`.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from models.image.views import PhotoView
from training.data.price_table import Row, split_by_group
from training.data.splits import Splits

WIDTH, HEIGHT = 240, 160
"""Pixels of every drawing."""

NOISE = 0.05
"""Standard deviation of the log of a price around the price of the drawing."""

BODIES = {
    # Price in USD, where the roof starts and ends (fractions of the length), its height (1 is a usual one).
    "hatchback": (18_000, 0.30, 0.98, 0.85),
    "sedan": (26_000, 0.30, 0.75, 0.75),
    "suv": (38_000, 0.25, 0.97, 1.15),
    "pickup": (34_000, 0.25, 0.55, 1.00),
    "roadster": (62_000, 0.45, 0.70, 0.45),
}


@dataclass(frozen=True)
class DrawnCar:
    """One car model.

    Attributes:
        body: One of BODIES.
        length: Fraction of the picture's width.
        wheel: Radius of a wheel, as a fraction of the picture's height.
        trim: Amount of chrome, 0 to 1.
    """

    body: str
    length: float
    wheel: float
    trim: float

    @property
    def price(self) -> float:
        """USD, before noise: length, larger wheels and chrome raise it."""
        base = BODIES[self.body][0]
        return base * float(np.exp(1.5 * (self.length - 0.7) + 8 * (self.wheel - 0.11) + 0.5 * self.trim))

    @property
    def group(self) -> str:
        """The name of the car model."""
        return f"{self.body}-{self.length:.2f}-{self.wheel:.3f}-{self.trim:.1f}"


def drawn_cars(models: int = 120, photos: int = 12, view: PhotoView | None = None) -> Splits:
    """`models` random car models with `photos` drawings of each."""
    view = view or PhotoView(resize=64, crop=64)
    rng = np.random.default_rng(0)
    rows, pixels = [], []
    for _ in range(models):
        car = draw_model(rng)
        for _ in range(photos):
            price = car.price * float(np.exp(rng.normal(0, NOISE)))
            rows.append(Row(car.group, price))
            pixels.append(view(np.asarray(draw(car, rng))))
    return split_by_group("drawn-cars", rows, np.stack(pixels), "made here")


def draw_model(rng: np.random.Generator) -> DrawnCar:
    """A random car model."""
    return DrawnCar(
        body=str(rng.choice(list(BODIES))),
        length=float(rng.uniform(0.55, 0.8)),
        wheel=float(rng.uniform(0.08, 0.14)),
        trim=float(rng.uniform(0, 1)),
    )


def draw(car: DrawnCar, rng: np.random.Generator) -> Image.Image:
    """The car from its side on a road: RGB, WIDTH x HEIGHT.

    Colour, position and light are random.
    """
    image = Image.new("RGB", (WIDTH, HEIGHT))
    pen = ImageDraw.Draw(image)
    light = float(rng.uniform(0.6, 1.0))

    def shade(red: float, green: float, blue: float) -> tuple[int, int, int]:
        return int(red * light), int(green * light), int(blue * light)

    horizon = int(HEIGHT * rng.uniform(0.45, 0.6))
    pen.rectangle((0, 0, WIDTH, horizon), fill=shade(170, 200, 235))
    pen.rectangle((0, horizon, WIDTH, HEIGHT), fill=shade(120, 120, 118))

    length, radius = car.length * WIDTH, car.wheel * HEIGHT
    left = (WIDTH - length) / 2 + rng.uniform(-0.08, 0.08) * WIDTH
    ground = HEIGHT * rng.uniform(0.72, 0.85)
    _, roof_from, roof_to, roof_height = BODIES[car.body]
    sill, deck = ground - 0.6 * radius, ground - 0.6 * radius - 0.18 * HEIGHT
    roof = deck - 0.2 * HEIGHT * roof_height

    paint = shade(*(float(value) for value in rng.uniform(30, 240, 3)))
    cabin = [
        (left + (roof_from - 0.10) * length, deck), (left + (roof_from + 0.06) * length, roof),
        (left + (roof_to - 0.06) * length, roof), (left + (roof_to + 0.02) * length, deck),
    ]  # fmt: skip
    pen.polygon(cabin, fill=paint)
    inner = [(x + (4 if i < 2 else -4), y + (4 if 0 < i < 3 else 0)) for i, (x, y) in enumerate(cabin)]
    pen.polygon(inner, fill=shade(60, 80, 100))
    pen.rounded_rectangle((left, deck, left + length, sill), radius=10, fill=paint)
    chrome = shade(225, 225, 230)
    pen.line(
        (left + 8, sill - 4, left + length - 8, sill - 4),
        fill=chrome,
        width=1 + round(5 * car.trim),
    )
    for centre in (left + 0.2 * length, left + 0.8 * length):
        for size, colour in ((1.0, shade(25, 25, 25)), (0.35 + 0.35 * car.trim, chrome)):
            box = (centre - size * radius, ground - radius - size * radius,
                   centre + size * radius, ground - radius + size * radius)  # fmt: skip
            pen.ellipse(box, fill=colour)
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else image
