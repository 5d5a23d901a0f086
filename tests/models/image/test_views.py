"""Views: MNIST passes unchanged, real uploads become like it."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageFilter
from torchvision.transforms import v2

from models.image.decode import open_picture
from models.image.views import DigitView, GreyView, PhotoView, SquashView
from tests.support.images import pictures
from training.data import mnist

DIGIT = DigitView()
RGB = st.tuples(*[st.integers(0, 255)] * 3)


def likeness(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """Correlation of two blurred views: 1 for the same, 0 for unrelated."""
    soft = [cv2.GaussianBlur(view[:, :, 0], (0, 0), 1.2).ravel() for view in (one, other)]
    return float(np.corrcoef(*soft)[0, 1])


@pytest.fixture(scope="module")
def mnist_samples(data) -> npt.NDArray[np.uint8]:
    return mnist.mnist(data).test.pixels[:2000]


def test_digit_view_keeps_mnist(mnist_samples):
    changed = 0
    for sample in mnist_samples:
        once = DIGIT(np.repeat(sample, 3, axis=2))
        twice = DIGIT(np.repeat(once, 3, axis=2))
        assert np.abs(twice.astype(int) - once).max() <= 1
        changed += bool(np.abs(once.astype(int) - sample).max() > 1)

    assert changed <= 2


def test_digit_view_restores_inverted_mnist(mnist_samples):
    for sample in mnist_samples[:200]:
        assert np.array_equal(DIGIT(255 - np.repeat(sample, 3, axis=2)), sample)


def test_digit_view_restores_enlarged_mnist(mnist_samples):
    likenesses = []
    for sample in mnist_samples[:500]:
        page = cv2.resize(255 - sample, (224, 224), interpolation=cv2.INTER_CUBIC)
        likenesses.append(likeness(DIGIT(np.repeat(page[:, :, None], 3, axis=2)), sample))

    # A pixel's shift costs a thin stroke 0.1; a wrong digit or a lost stroke, far more.
    assert np.median(likenesses) > 0.92
    assert np.quantile(likenesses, 0.02) > 0.75


@settings(max_examples=150)
@given(
    which=st.sampled_from(sorted(pictures.STROKES)),
    shade=st.integers(150, 255),
    contrast=st.integers(70, 145),
    dark_page=st.booleans(),
    across=st.floats(0, 1),
    down=st.floats(0, 1),
    height=st.floats(0.2, 0.55),
    page=st.sampled_from([(280, 280), (400, 300), (300, 500)]),
)
def test_digit_view_ignores_paper_polarity_position_and_size(
    which, shade, contrast, dark_page, across, down, height, page
):
    reference = DIGIT(pictures.pixels(pictures.digit(which)))
    width = height * page[1] / page[0] * 5 / 7
    left, top = 0.03 + across * (0.94 - width), 0.03 + down * (0.94 - height)
    box = (left, top, left + width, top + height)
    ink, paper = (shade - contrast,) * 3, (shade,) * 3
    if dark_page:
        ink, paper = (255 - ink[0],) * 3, (255 - shade,) * 3

    seen = DIGIT(pictures.pixels(pictures.digit(which, page, box, ink, paper)))

    assert likeness(seen, reference) > 0.8


@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        pytest.param((40, 60, 200), (250, 250, 245), id="blue-pen"),
        pytest.param((235, 215, 30), (255, 255, 255), id="yellow-pen"),
        pytest.param((200, 40, 50), (245, 225, 150), id="red-on-yellow"),
        pytest.param((240, 240, 240), (30, 70, 50), id="chalk"),
        pytest.param((150, 150, 150), (190, 190, 190), id="faint-pencil"),
    ],
)
def test_digit_view_ignores_colours(ink, paper):
    reference = DIGIT(pictures.pixels(pictures.digit(3)))

    assert likeness(DIGIT(pictures.pixels(pictures.digit(3, ink=ink, paper=paper))), reference) > 0.9


def test_digit_view_drops_ruled_lines_and_shadow():
    reference = DIGIT(pictures.pixels(pictures.digit(2, (400, 400))))
    page = np.array(pictures.digit(2, (400, 400)), dtype=np.float64)
    blank = page.min(axis=2) > 200
    for row in range(17, 400, 45):
        page[row : row + 2][blank[row : row + 2]] = (150, 180, 225)
    page *= np.linspace(1.0, 0.5, 400)[None, :, None]
    photo = Image.fromarray(page.astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))

    assert likeness(DIGIT(pictures.pixels(photo)), reference) > 0.85


def test_digit_view_keeps_a_hairline_visible():
    hairline = DIGIT(pictures.pixels(pictures.digit(7, (600, 600), pen=0.004)))

    assert (hairline > 127).sum() > 25


def test_digit_view_scales_and_centres_as_mnist():
    seen = DIGIT(pictures.pixels(pictures.digit(0, (300, 200), box=(0.6, 0.1, 0.9, 0.9))))[:, :, 0]
    rows, columns = np.nonzero(seen)

    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    assert seen.max() == 255
    mass = seen.astype(float)
    assert abs((mass.sum(1) @ np.arange(28)) / mass.sum() - 13.5) <= 1
    assert abs((mass.sum(0) @ np.arange(28)) / mass.sum() - 13.5) <= 1


@settings(max_examples=200)
@given(
    picture=st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(
        lambda shape: arrays(np.uint8, (*shape, 3))
    ),
    view=st.sampled_from([DIGIT, GreyView(), PhotoView(), PhotoView(resize=32, crop=48), SquashView()]),
)
def test_any_picture_has_a_view(picture, view):
    seen = view(picture)

    assert seen.shape == view.shape
    assert seen.dtype == np.uint8


@settings(max_examples=300)
@given(
    grey=st.tuples(st.integers(1, 90), st.integers(1, 90)).flatmap(lambda shape: arrays(np.uint8, shape)),
    view=st.sampled_from([DIGIT, GreyView(), PhotoView(), PhotoView(resize=32, crop=48), SquashView()]),
)
def test_grey_is_seen_as_rgb_of_equal_channels(grey, view):
    assert np.array_equal(view(grey), view(np.repeat(grey[:, :, None], 3, axis=2)))


@pytest.mark.parametrize("view", [DIGIT, GreyView(), PhotoView(), SquashView()], ids=lambda view: view.kind)
@pytest.mark.parametrize("size", [(28, 28), (280, 280), (400, 300), (1507, 810)])
def test_grey_file_is_seen_as_in_colour(view, size):
    drawing = pictures.digit(3, size).convert("L")
    grey = open_picture(pictures.encoded(drawing), view.shorter_side)

    assert grey.ndim == 2
    assert np.array_equal(
        view(grey), view(open_picture(pictures.encoded(drawing.convert("RGB")), view.shorter_side))
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (700, 3)])
@pytest.mark.parametrize("view", [DIGIT, GreyView(), PhotoView(), SquashView()], ids=lambda view: view.kind)
def test_extreme_shapes_have_a_view(shape, view):
    assert view(np.full((*shape, 3), 77, np.uint8)).shape == view.shape


def test_digit_view_of_blank_paper_is_black():
    assert DIGIT(np.full((100, 100, 3), 240, np.uint8)).max() == 0


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (257, 400), (1560, 1040), (200, 300)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_photo_view_equals_torchvision(size, kind):
    view = PhotoView()
    scene = pictures.landscape(*size)
    theirs = v2.Compose([v2.Resize(view.resize), v2.CenterCrop(view.crop)])(scene)

    ours = view(open_picture(pictures.encoded(scene, kind), view.shorter_side))

    assert np.abs(ours.astype(int) - np.asarray(theirs)).mean() <= 2


def test_photo_view_equals_torchvision_on_tensors():
    view = PhotoView(resize=128, crop=96)
    scene = pictures.landscape(500, 375)
    tensor = torch.from_numpy(np.array(scene)).permute(2, 0, 1)
    theirs = v2.Compose([v2.Resize(128, antialias=True), v2.CenterCrop(96)])(tensor)

    ours = view(pictures.pixels(scene))

    assert np.abs(ours.astype(int) - theirs.permute(1, 2, 0).numpy()).mean() <= 2


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (1560, 1040), (300, 200)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_squash_view_equals_torchvision(size, kind):
    view = SquashView(width=256, height=208)
    scene = pictures.landscape(*size)
    theirs = v2.Resize((208, 256))(scene)

    ours = view(open_picture(pictures.encoded(scene, kind), view.shorter_side))

    assert np.abs(ours.astype(int) - np.asarray(theirs)).mean() <= 2


def test_grey_view_keeps_fashion_mnist_and_restores_its_negative(data):
    view = GreyView()
    for sample in mnist.fashion_mnist(data).test.pixels[:500]:
        picture = np.repeat(sample, 3, axis=2)
        assert np.array_equal(view(picture), sample)
        if np.median(np.concatenate([sample[0], sample[-1], sample[:, 0], sample[:, -1]])) == 0:
            assert np.array_equal(view(255 - picture), sample)


def test_grey_view_inverts_a_photo_on_white():
    page = np.full((400, 300, 3), 250, np.uint8)
    page[100:300, 80:220] = (40, 60, 90)
    seen = GreyView()(page)[:, :, 0]

    assert seen[14, 14] > 150
    assert seen[2, 14] < 20
    assert not seen[:, :3].any()
