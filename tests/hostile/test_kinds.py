"""Every kind of picture over HTTP: a digit is told the same in every mode, turn, coding and frame."""

import io
from collections.abc import Callable

import httpx
import pytest
from PIL import Image, ImageOps

from models.image.decode import FORMATS
from tests.support.images import kinds, pictures
from tests.support.images.foreign_formats import FOREIGN

# Pillow warns of odd metadata also where it writes.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning:PIL")]

SIZE = (280, 360)
SEVEN = pictures.digit(7, SIZE, (0.25, 0.2, 0.75, 0.75), ink=(40, 60, 160), paper=(245, 235, 200))
FRAMES = [SEVEN, pictures.digit(2, SIZE), pictures.digit(3, SIZE)]
SCENE = pictures.landscape(120, 80)

Told = Callable[[bytes], dict[str, float]]


@pytest.fixture(scope="module")
def told(client: httpx.Client) -> Told:
    """The probabilities that a file is answered with."""

    def ask(data: bytes) -> dict[str, float]:
        answer = client.post("/classify", files={"image": data})
        assert answer.status_code == 200, answer.text
        return answer.json()["probabilities"]

    return ask


@pytest.fixture(scope="module")
def seven(told: Told) -> object:
    """What the plain file is told. The same seven turned or mirrored is a 1, 4 or 5, or less surely a 7."""
    plain = told(pictures.encoded(SEVEN))
    assert plain["7"] > 0.999
    return pytest.approx(plain, abs=1e-4)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format(told, seven, kind):
    assert told(pictures.encoded(SEVEN, kind)) == seven


@pytest.mark.parametrize(("mode", "kind"), kinds.MODES)
def test_every_mode(told, seven, mode, kind):
    assert told(pictures.encoded(kinds.in_mode(SEVEN, mode), kind)) == seven


@pytest.mark.parametrize(
    ("mode", "kind"), [(mode, kind) for mode, kind in kinds.MODES if kind in ("PNG", "TIFF", "BMP", "GIF")]
)
def test_the_colours_of_every_mode(client, mode, kind):
    """A digit may be light or dark and of any colour; a price follows the colours."""
    images = kinds.in_mode(SCENE, mode), kinds.seen_in(SCENE, mode)
    files = pictures.encoded(images[0], kind), pictures.encoded(images[1])
    prices = [client.post("/price", files={"image": file}).json()["price"] for file in files]

    assert prices[0] == pytest.approx(prices[1], rel=0.001)


def cut_out(mode: str, **options: object) -> bytes:
    """The seven as black ink on nothing, whose colour is black too."""
    ink = ImageOps.invert(SEVEN.convert("L")).point(lambda value: 255 * (value > 100))
    if mode == "P":
        image = ink.point(lambda value: value // 255).convert("P")
        image.putpalette([0] * 6)
    else:
        image = Image.new(mode, SEVEN.size)
        image.putalpha(ink)
    return pictures.encoded(image, **options)


@pytest.mark.parametrize(
    ("mode", "options"),
    [("LA", {}), ("RGBA", {}), ("P", {"transparency": 0}), ("P", {"transparency": b"\0\xff"})],
)
def test_ink_on_nothing(told, seven, mode, options):
    assert told(cut_out(mode, **options)) == seven


@pytest.mark.parametrize("kind", kinds.DESCRIBED)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation(told, seven, kind, orientation):
    assert told(kinds.turned(SEVEN, kind, orientation)) == seven


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_orientations_that_do_not_exist(told, seven, orientation):
    assert told(kinds.turned(SEVEN, "JPEG", orientation)) == seven


def test_progressive_jpeg(told, seven):
    data = kinds.progressive(SEVEN)

    assert b"\xff\xc2\0\x11" in data
    assert told(data) == seven


def test_arithmetic_jpeg(client):
    """Its bits are those of another coding: whatever they show, it is decoded and answered."""
    answer = client.post("/classify", files={"image": kinds.arithmetic(SEVEN)})

    assert answer.status_code == 200
    assert sum(answer.json()["probabilities"].values()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("kind", kinds.ANIMATED)
def test_the_first_of_many_frames(told, seven, kind):
    data = kinds.animated(FRAMES, kind)

    assert Image.open(io.BytesIO(data)).n_frames == len(FRAMES)
    assert told(data) == seven


@pytest.mark.parametrize("kind", kinds.ANIMATED)
def test_a_first_frame_that_breaks_off(client, kind):
    whole = kinds.animated(FRAMES, kind)
    answer = client.post("/classify", files={"image": whole[: len(whole) * 15 // 100]})

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


@pytest.mark.parametrize("kind", kinds.DESCRIBED)
@pytest.mark.parametrize("profile", kinds.PROFILES.values(), ids=kinds.PROFILES)
def test_colour_profiles(told, seven, kind, profile):
    assert told(pictures.encoded(SEVEN, kind, icc_profile=profile)) == seven


@pytest.mark.parametrize(("kind", "exif"), kinds.WITH_BROKEN_EXIF)
def test_broken_exif(told, seven, kind, exif):
    assert told(pictures.encoded(SEVEN, kind, exif=kinds.BROKEN_EXIF[exif])) == seven


@pytest.mark.parametrize("make", kinds.HEAVY.values(), ids=kinds.HEAVY)
def test_10_mb_of_metadata(told, seven, make):
    data = make(SEVEN)

    assert len(data) > 9 * 2**20
    assert told(data) == seven


@pytest.mark.parametrize("name", FOREIGN)
def test_formats_that_are_not_opened(client, name):
    answer = client.post("/classify", files={"image": FOREIGN[name]})

    assert (answer.status_code, answer.headers["content-type"]) == (415, "application/problem+json")
    assert answer.json()["detail"].startswith("This is not a picture; send one of PNG, JPEG")
