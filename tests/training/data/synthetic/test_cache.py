"""The cache of drawn pictures: read when it is right, drawn again when it is not."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from training.data.synthetic import cache

PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.fixture
def drawing():
    """Counts how often it is drawn."""

    def draw():
        draw.calls += 1
        return {"some kind": PIXELS, "targets": np.array([3, 7])}

    draw.calls = 0
    return draw


def files(root: Path) -> list[Path]:
    return list((root / "cache").iterdir())


def test_second_call_reads_what_the_first_drew(tmp_path, drawing):
    drawn, read = (cache.cached(tmp_path, "test", (1, "a"), drawing) for _ in range(2))

    assert drawing.calls == 1
    assert list(read) == list(drawn)
    for name, values in drawn.items():
        assert read[name].dtype == values.dtype
        assert np.array_equal(read[name], values)
    assert [file.name.startswith("test-") for file in files(tmp_path)] == [True]


def test_other_parameters_have_files_of_their_own(tmp_path, drawing):
    for parameters in ((1, "a"), (2, "a"), (1, "b"), (1, "a")):
        cache.cached(tmp_path, "test", parameters, drawing)

    assert drawing.calls == 3
    assert len(files(tmp_path)) == 3


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_bytes(b"no zip archive"), id="garbage"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-30]), id="truncated"),
        pytest.param(
            lambda path: path.write_bytes(path.read_bytes().replace(PIXELS.tobytes(), b"\xff" * PIXELS.size)),
            id="other-pixels",
        ),
        pytest.param(lambda path: np.savez(path, pixels=PIXELS), id="without-code"),
        pytest.param(lambda path: np.savez(path, code=np.array([{}])), id="pickled"),
    ],
)
def test_damaged_file_is_drawn_again(tmp_path, drawing, damage):
    cache.cached(tmp_path, "test", (), drawing)
    damage(*files(tmp_path))
    again, read = (cache.cached(tmp_path, "test", (), drawing) for _ in range(2))

    assert drawing.calls == 2
    assert np.array_equal(again["some kind"], PIXELS)
    assert np.array_equal(read["some kind"], PIXELS)


def test_other_code_draws_again_and_replaces_the_file(tmp_path, drawing, monkeypatch):
    for digest in ("before", "after", "after"):
        monkeypatch.setattr(cache, "_code_digest", lambda digest=digest: digest)
        cache.cached(tmp_path, "test", (), drawing)

    assert drawing.calls == 2
    assert len(files(tmp_path)) == 1


def test_a_changed_view_is_other_code(tmp_path, monkeypatch):
    folder = tmp_path / "image"
    shutil.copytree(Path(cache.views.__file__).parent, folder)
    before = cache._code_digest()
    monkeypatch.setattr(cache.views, "__file__", str(folder / "views.py"))

    assert cache._code_digest() == before
    with (folder / "ink.py").open("a") as file:
        file.write("LIMIT = 3\n")
    assert cache._code_digest() != before


def test_unwritable_cache_is_only_logged(tmp_path, drawing, caplog):
    root = tmp_path / "file"
    root.write_text("no folder")
    arrays = cache.cached(root, "test", (), drawing)

    assert np.array_equal(arrays["some kind"], PIXELS)
    assert "was not written" in caplog.text


def test_without_a_data_folder_nothing_is_kept(tmp_path, drawing, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        cache.cached(None, "test", (), drawing)

    assert drawing.calls == 2
    assert not list(tmp_path.iterdir())
