"""A user's own cars: errors in the table are listed before training, line by line."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.image.views import PhotoView
from tests.support.images import pictures
from training.data.price_table import ESTIMATES, Row, price_table, split_by_group
from training.data.splits import DataError

VIEW = PhotoView(resize=16, crop=16)


def table(folder: Path, *lines: str, header: str = "file,price,group") -> Path:
    for name in ("a.png", "b.png", "c.png", "d.png"):
        (folder / name).write_bytes(pictures.encoded(pictures.landscape(40, 30)))
    path = folder / "prices.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_a_good_table_is_read(tmp_path):
    lines = [f"{name}.png,{price},model-{name}" for name, price in zip("abcd", (1, 2, 3, 4), strict=True)]
    splits = price_table([table(tmp_path, *lines)], VIEW)

    parts = (splits.train, splits.validation, splits.calibration, splits.test)
    assert [len(part) for part in parts] == [1, 1, 1, 1]
    assert sorted(float(part.targets[0]) for part in parts) == [1, 2, 3, 4]
    assert splits.train.pixels.shape == (1, 16, 16, 3)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param("missing.png,100,x", "prices.csv:3: 'missing.png' is missing", id="missing-file"),
        pytest.param("b.png,,x", "prices.csv:3: the price '' is not a number", id="no-price"),
        pytest.param("b.png,cheap,x", "prices.csv:3: the price 'cheap' is not a number", id="word"),
        pytest.param("b.png,0,x", "prices.csv:3: the price '0' is not positive", id="zero"),
        pytest.param("b.png,-5,x", "prices.csv:3: the price '-5' is not positive", id="negative"),
        pytest.param("b.png,nan,x", "prices.csv:3: the price 'nan' is not positive", id="nan"),
        pytest.param("b.png,inf,x", "prices.csv:3: the price 'inf' is not positive", id="infinite"),
        pytest.param("b.png", "prices.csv:3: the price None is not a number", id="short-line"),
    ],
)
def test_offending_lines_are_listed(tmp_path, line, message):
    with pytest.raises(DataError) as caught:
        price_table([table(tmp_path, "a.png,100,y", line, "c.png,100,z")], VIEW)

    assert message in str(caught.value)
    assert "prices.csv:2" not in str(caught.value)


def test_all_offending_lines_are_listed_at_once(tmp_path):
    with pytest.raises(DataError) as caught:
        price_table([table(tmp_path, "a.png,x,1", "b.png,100,2", "e.png,1,3")], VIEW)

    assert "prices.csv:2" in str(caught.value)
    assert "prices.csv:4" in str(caught.value)


def test_a_long_list_is_cut_and_counted(tmp_path):
    with pytest.raises(DataError, match="and 30 more"):
        price_table([table(tmp_path, *["a.png,0,x"] * 50)], VIEW)


@pytest.mark.parametrize(
    ("header", "lines", "message"),
    [
        pytest.param("file,cost", ["a.png,1"], "the columns price are missing", id="no-price-column"),
        pytest.param("file,price,group", [], "the table is empty", id="empty"),
        pytest.param("file,price,group", ["a.png,1,x", "b.png,2,x"], "fewer than two groups", id="one-group"),
        pytest.param("file,price,year", ["a.png,1,old", "b.png,1,1999"], "the year 'old'", id="year"),
    ],
)
def test_tables_that_cannot_be_trained_on(tmp_path, header, lines, message):
    with pytest.raises(DataError, match=message):
        price_table([table(tmp_path, *lines, header=header)], VIEW)


def test_a_broken_picture_is_an_offending_line(tmp_path):
    path = table(tmp_path, "a.png,1,x", "b.png,2,y")
    (tmp_path / "b.png").write_bytes(b"not a picture")

    with pytest.raises(DataError, match=r"b\.png: This is not a picture"):
        price_table([path], VIEW)


def test_missing_table(tmp_path):
    with pytest.raises(DataError, match="there is no such table"):
        price_table([tmp_path / "prices.csv"], VIEW)


@given(
    groups=st.lists(st.sampled_from("abcdefghijklmnop"), min_size=12, max_size=80).filter(
        lambda names: len(set(names)) >= 4
    )
)
def test_no_group_is_on_two_sides(groups):
    rows = [Row(group, 100.0 + index) for index, group in enumerate(groups)]
    splits = split_by_group("test", rows, np.zeros((len(rows), 1, 1, 3), np.uint8), "")
    parts = [set(part.groups) for part in (splits.train, splits.validation, splits.calibration, splits.test)]

    assert sum(len(part) for part in parts) == len(set(groups))
    assert all(parts)
    assert sum(
        len(part) for part in (splits.train, splits.validation, splits.calibration, splits.test)
    ) == len(rows)


def test_estimates_are_trained_on_but_never_measured_on():
    rows = [
        Row(f"{group}", 100.0, price_source="" if photo else "manual_approx")
        for group in range(40)
        for photo in range(3)
    ]
    pixels = np.arange(len(rows), dtype=np.uint8).reshape(-1, 1, 1, 1)
    splits = split_by_group("test", rows, pixels, "")
    estimated = {index for index, row in enumerate(rows) if row.price_source in ESTIMATES}

    assert estimated & set(splits.train.pixels.ravel().tolist())
    for part in (splits.validation, splits.calibration, splits.test):
        assert not estimated & set(part.pixels.ravel().tolist())


def test_adding_groups_moves_none_from_test_to_train():
    few = [Row(f"{group}", 100.0) for group in range(60)]
    more = few + [Row(f"new-{group}", 100.0) for group in range(60)]
    parts = {}
    for rows in (few, more):
        splits = split_by_group("test", rows, np.zeros((len(rows), 1, 1, 3), np.uint8), "")
        parts[len(rows)] = set(splits.test.groups)

    assert parts[60] & parts[120]
