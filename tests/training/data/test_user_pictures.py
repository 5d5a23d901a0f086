"""A user's own pictures: read as the service reads them, refused with the reason."""

import numpy as np
import pytest

from models.image.views import DigitView
from tests.support.images import pictures
from training.data.splits import DataError
from training.data.user_pictures import folder, labelled

VIEW, LABELS = DigitView(), tuple("0123456789")


@pytest.fixture
def table(tmp_path):
    for digit in (3, 7):
        (tmp_path / f"{digit}.png").write_bytes(pictures.encoded(pictures.digit(digit)))
    path = tmp_path / "labels.csv"
    path.write_text("file,label,note\n3.png,3,\n7.png,7,mine\n")
    return path


def test_labelled_pictures_go_through_the_view(table):
    examples = labelled(table, LABELS, VIEW)

    assert examples.targets.tolist() == [3, 7]
    assert np.array_equal(examples.pixels[0], VIEW(pictures.pixels(pictures.digit(3))))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,label\n3.png,eight\n", "does not know: eight"),
        ("name,label\n3.png,3\n", "needs a column 'file'"),
        ("file,name\n3.png,3\n", "needs a column 'label'"),
        ("file,label\n", "one for each picture"),
        ("file,label\n3.png,3\nnone.png,3\n", "labels.csv:3: the file 'none.png' is missing"),
        ("file,label\nnone.png,3\n", "none.png"),
        ("file,label\nlabels.csv,3\n", "labels.csv: "),
    ],
)
def test_errors_say_what_is_wrong_with_the_table(table, content, message):
    table.write_text(content)

    with pytest.raises(DataError, match=message):
        labelled(table, LABELS, VIEW)


def test_missing_table(tmp_path):
    with pytest.raises(DataError, match="There is no table"):
        labelled(tmp_path / "labels.csv", LABELS, VIEW)


def test_pictures_of_a_folder_are_taken_evenly(tmp_path):
    for number in range(10):
        inside = tmp_path / str(number % 3)
        inside.mkdir(exist_ok=True)
        (inside / f"{number}.png").write_bytes(pictures.encoded(pictures.digit(3)))
    (tmp_path / "notes.txt").write_text("no picture")

    assert len(folder(tmp_path, VIEW)) == 10
    assert len(folder(tmp_path, VIEW, most=4)) == 4


def test_a_folder_without_pictures(tmp_path):
    with pytest.raises(DataError, match="no pictures"):
        folder(tmp_path, VIEW)
