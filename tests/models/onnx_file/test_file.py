"""Reading model files: regular files up to a size limit."""

import os

import pytest

from models.model import ZooError, open_model
from models.onnx_file import file as onnx_file
from tests.support.models.corrupted import LINEAR


def a_link_to_nothing(path):
    path.symlink_to("nowhere")


def a_folder(path):
    path.mkdir()


def a_pipe(path):
    os.mkfifo(path)


def too_large(path):
    path.touch()
    os.truncate(path, onnx_file.MAX_FILE_BYTES + 1)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (a_link_to_nothing, "No such file"),
        (a_folder, "no regular file"),
        (a_pipe, "no regular file"),
        (too_large, "at most 536,870,912"),
        (lambda path: None, "cannot be read"),
    ],
)
def test_other_than_regular_files_are_refused(tmp_path, make, why):
    path = tmp_path / f"{LINEAR}.onnx"
    make(path)
    with pytest.raises(ZooError, match=why):
        open_model(path)
