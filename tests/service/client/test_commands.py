"""The commands against a real server."""

import csv
import io
import os
import pty
import subprocess

import pytest
from PIL import Image

from tests.service.client.conftest import COMMAND, REPO, environment
from tests.support.http_calls import PNG
from tests.support.images import pictures

THREE = pictures.encoded(pictures.digit(3), "JPEG")


@pytest.fixture
def folder(tmp_path):
    """Two pictures, one of them deeper, and what is no picture."""
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "b.JPG").write_bytes(THREE)
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "notes.txt").write_bytes(b"milk")
    (tmp_path / ".hidden.png").write_bytes(PNG)
    return tmp_path


def test_a_folder_is_classified_picture_by_picture(client, server, folder):
    done = client("classify", folder, "--url", server)

    assert done.code == 0, done.err
    assert [(row["path"], row["label"]) for row in done.rows] == [
        (str(folder / "a.png"), "7"),
        (str(folder / "deeper" / "b.JPG"), "3"),
    ]
    assert all(row["request_id"] and row["probabilities"] for row in done.rows)


def test_rows_come_in_the_order_of_the_arguments(client, server, folder):
    """The first is large and slow, the others are small."""
    large = folder / "large.png"
    large.write_bytes(pictures.encoded(pictures.digit(7, size=(3000, 3000))))
    paths = [large, *[folder / "a.png", folder / "deeper" / "b.JPG"] * 6]

    done = client("classify", *paths, "--url", server, "--jobs", 8)

    assert [row["path"] for row in done.rows] == [str(path) for path in paths]
    assert [row["label"] for row in done.rows] == ["7", *["7", "3"] * 6]


def test_one_picture_comes_from_standard_input(client, server):
    done = client("classify", "-", "--url", server, "--model", "digits-mlp", standard_input=PNG)

    assert done.code == 0
    assert [(row["path"], row["label"], row["model"]) for row in done.rows] == [("-", "7", "digits-mlp")]


def test_what_has_no_answer_is_said_and_the_rest_is_answered(client, server, folder):
    broken, missing, empty = folder / "broken.png", folder / "missing.png", folder / "empty.png"
    broken.write_bytes(PNG[:300])
    empty.touch()

    done = client("classify", missing, broken, empty, folder / "a.png", "--url", server)

    assert done.code == 1
    lost, damaged, nothing, answered = done.rows
    assert lost == {"path": str(missing), "error": "No such file or directory."}
    assert (damaged["status"], "will not decode" in damaged["error"]) == (422, True)
    assert damaged["request_id"]
    assert nothing["error"] == "The file is empty."
    assert answered["label"] == "7"
    assert f"3 of 4 pictures were not answered. {missing}: No such file or directory." in done.err


def test_an_unknown_model_is_refused_as_the_service_says_it(client, server, folder):
    done = client("classify", folder / "a.png", "--url", server, "--model", "digits-cnnn")

    assert done.code == 1
    assert "There is no classifier 'digits-cnnn' here; there are: digits-cnn" in done.rows[0]["error"]


def test_csv_has_a_column_for_everything_that_fits_one(client, server, folder):
    awkward = folder / 'a "quoted", name\udcff.png'
    awkward.write_bytes(PNG)
    (folder / "broken.png").write_bytes(PNG[:300])
    command = [*COMMAND, "classify", awkward, folder / "broken.png", "--format", "csv", "--url", server]
    done = subprocess.run(command, cwd=REPO, env=environment(), capture_output=True)

    text = done.stdout.decode(errors="surrogateescape")
    answered, damaged = csv.DictReader(io.StringIO(text))
    assert answered["path"] == str(awkward)
    assert (answered["label"], answered["familiar"], answered["error"]) == ("7", "True", "")
    assert (damaged["label"], "will not decode" in damaged["error"]) == ("", True)


def test_prices_are_printed_as_a_table(client, server, tmp_path, car_png):
    (tmp_path / "car.png").write_bytes(car_png)

    done = client("price", tmp_path, "--url", server, "--format", "table")

    assert done.code == 0
    head, row = done.out.splitlines()
    assert head.split() == ["path", "price", "low", "high", "currency", "familiar", "model"]
    assert row.split()[0] == str(tmp_path / "car.png")
    assert row.split()[-1] == "cars-transfer"


def test_pictures_are_shrunk_before_they_are_sent(client, server, tmp_path):
    """The server refuses the file as it is."""
    large = tmp_path / "large.png"
    page = pictures.digit(7).convert("L").resize((7200, 7200), Image.Resampling.NEAREST)
    large.write_bytes(pictures.encoded(page, compress_level=1))

    assert "megapixels" in client("classify", large, "--url", server).rows[0]["error"]
    done = client("classify", large, "--url", server, "--max-side", 500)

    assert (done.code, done.rows[0]["label"]) == (0, "7")


def test_models_are_listed(client, server):
    as_lines = client("models", "--url", server)
    as_table = client("models", "--url", server, "--format", "table")
    as_csv = client("models", "--url", server, "--format", "csv")

    names = [card["name"] for card in as_lines.rows]
    assert {"digits-cnn", "cars-transfer"} <= set(names)
    assert [line.split()[0] for line in as_table.out.splitlines()] == ["name", *names]
    assert [row["name"] for row in csv.DictReader(io.StringIO(as_csv.out))] == names


def test_feedback_says_why_it_is_not_taken(client, server):
    done = client("feedback", "order-66", "7", "--url", server)

    assert done.code == 1
    assert "GLIMPSE_PREDICTION_LOG" in done.err


def test_a_folder_without_pictures_is_no_success(client, server, tmp_path):
    done = client("classify", tmp_path, "--url", server)

    assert (done.code, done.out) == (1, "")
    assert "no pictures" in done.err


@pytest.mark.parametrize(("path", "says"), [("nowhere", "There is nothing here"), ("docs?", "text/html")])
def test_what_is_no_glimpse_is_said(client, server, path, says):
    done = client("models", "--url", f"{server}/{path}")

    assert done.code == 1
    assert says in done.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["classify", "a.png", "--url", "localhost:3000"], "begins with http:// or https://"),
        (["classify", "a.png", "--jobs", "0"], "--jobs"),
        (["feedback", "order-66", "much", "--price"], "a price is a number"),
    ],
)
def test_wrong_arguments_are_refused(client, arguments, says):
    done = client(*arguments)

    assert done.code == 2
    assert says in done.err


def test_a_key_that_cannot_be_sent_is_not_repeated(client):
    done = client("classify", "a.png", GLIMPSE_API_KEY="correct horse\nbattery")

    assert done.code == 2
    assert "printable ASCII" in done.err
    assert "horse" not in done.out + done.err


def test_on_a_terminal_there_is_a_table_and_a_bar(server, folder):
    ours, theirs = pty.openpty()
    command = [*COMMAND, "classify", str(folder), str(folder / "missing.png"), "--url", server]
    process = subprocess.Popen(command, cwd=REPO, env=environment(TERM="xterm"), stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk

    assert process.wait() == 1
    text = shown.decode()
    assert "0/3" in text
    assert "digits-cnn" in text
    assert "No such file or directory." in text
    assert "request_id" not in text


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux says that the other end is closed
        return b""


def test_a_reader_that_has_enough_ends_it_quietly(server, folder):
    command = f'"$@" {" ".join([str(folder)] * 200)} --url {server} | head -n 1'
    done = subprocess.run(
        ["bash", "-c", command, "-", *COMMAND, "classify"], cwd=REPO, env=environment(), capture_output=True
    )

    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""
