"""The prediction log: predictions and feedback, joined."""

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from loadtests.server import serving
from models.model import ZOO
from tests.support.images import pictures
from training.__main__ import app
from training.data.splits import DataError
from training.evaluation.online import join_feedback, read_log, wilson


def prediction(request_id="a", answer=None, index=None, model="digits-cnn", familiar=True):
    line = {
        "time": "2026-11-20T12:00:00.5Z", "request_id": request_id, "call": "/classify", "model": model,
        "version": "1", "answer": answer or {"label": "7", "probability": 0.9}, "familiar": familiar,
        "familiarity": 0.9, "stages": {"decode": 0.3},
    }  # fmt: skip
    return line if index is None else line | {"index": index}


def feedback(request_id="a", truth="7", index=None, second=0):
    facts = {"request_id": request_id, "truth": truth, "time": f"2026-11-20T13:00:{second:02}Z"}
    return {"feedback": facts if index is None else facts | {"index": index}}


def price(price, low, high):
    return {"price": price, "low": low, "high": high}


def joined(folder, *lines, name="predictions-0.jsonl"):
    (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return join_feedback(read_log(folder))


def test_accuracy_of_labelled_pictures(tmp_path):
    found = joined(
        tmp_path,
        *(prediction(f"id-{count}", familiar=count != 3) for count in range(10)),
        *(feedback(f"id-{count}", "7" if count else "1") for count in range(4)),
    )
    (model,) = found.models

    assert (model.model, model.version) == ("digits-cnn", "1")
    assert (model.n, model.n_labelled, model.n_correct) == (10, 4, 3)
    assert model.familiar == 0.9
    assert model.accuracy == pytest.approx((0.75, 0.3006, 0.9544), abs=1e-4)
    assert (model.median_ape, model.coverage) == (None, None)


def test_errors_and_coverage_of_prices(tmp_path):
    found = joined(
        tmp_path,
        prediction("a", price(110, 90, 130), model="cars-mlp"),
        prediction("b", price(100, 90, 130), model="cars-mlp"),
        prediction("c", price(100, 90, 130), model="cars-mlp"),
        feedback("a", 100), feedback("b", 200), feedback("c", 130),
    )  # fmt: skip
    (model,) = found.models

    assert model.errors == pytest.approx((0.1, 0.5, 30 / 130))
    assert model.median_ape == pytest.approx(30 / 130)
    assert (model.n_labelled, model.n_covered, model.accuracy) == (3, 2, None)
    assert model.coverage[0] == pytest.approx(2 / 3)


def test_unused_feedback_is_counted(tmp_path):
    found = joined(
        tmp_path,
        prediction("twice"), prediction("twice"),
        prediction("batch", index=0), prediction("batch", index=1),
        prediction("both", model="digits-cnn"), prediction("both", model="digits-mlp"),
        prediction("changed"),
        feedback("twice"),
        feedback("batch", "7", index=1), feedback("batch", "7"),
        feedback("unmatched"),
        feedback("both", "7"),
        feedback("changed", "1", second=2), feedback("changed", "7", second=3), feedback("changed", "2"),
        feedback("batch", 7, index=0),
    )  # fmt: skip
    models, pairs = {model.model: model for model in found.models}, found.pairs

    assert (pairs.unmatched, pairs.ambiguous, pairs.wrong_kind, pairs.repeated) == (2, 1, 1, 2)
    assert (models["digits-cnn"].n_labelled, models["digits-cnn"].n_correct) == (3, 3)
    assert (models["digits-mlp"].n_labelled, models["digits-mlp"].n_correct) == (1, 1)


def test_rotated_files_are_read_and_broken_lines_counted(tmp_path):
    lines = [json.dumps(line) for line in (prediction("a"), prediction("b"), feedback("a"))]
    (tmp_path / "predictions-0.jsonl").write_text(f"{lines[0]}\n{lines[1][:50]}\n{lines[1]}\n")
    (tmp_path / "predictions-0.jsonl.1").write_bytes(b"\xff\xfe\n\n" + lines[2].encode())
    (tmp_path / "predictions-1.jsonl").write_text('[1, 2]\n{"feedback": {"request_id": "b"}}\n')
    (tmp_path / "predictions-0.lock").touch()
    log = read_log(tmp_path)

    assert (len(log.predictions), len(log.feedback), log.broken) == (2, 1, 4)
    assert join_feedback(log).models[0].n_labelled == 1


def test_error_names_a_folder_without_a_log(tmp_path):
    with pytest.raises(DataError, match="holds no prediction log"):
        read_log(tmp_path)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_the_fraction(case):
    hits, n = case
    low, high = wilson(hits, n)

    assert 0 <= low <= hits / n + 1e-12
    assert hits / n - 1e-12 <= high <= 1
    assert low < high


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_broken(tmp_path_factory, line):
    folder = tmp_path_factory.mktemp("log")
    (folder / "predictions-0.jsonl").write_bytes(line)

    join_feedback(read_log(folder))


def test_from_a_server_to_the_table(tmp_path, car_png):
    """Predictions and feedback over HTTP, then `evaluate --from-log`."""
    zoo, folder = tmp_path / "zoo", tmp_path / "log"
    zoo.mkdir()
    for name in ("digits-mlp", "cars-mlp"):
        (zoo / f"{name}.onnx").symlink_to(ZOO / f"{name}.onnx")
    with (
        serving(zoo, tmp_path / "server.log", prediction_log=str(folder)) as url,
        httpx.Client(timeout=30) as client,
    ):
        for which in (0, 1, 2, 3, 4, 7):
            files = {"image": pictures.encoded(pictures.digit(which))}
            answer = client.post(f"{url}/classify", files=files).json()
            truth = {"request_id": answer["request_id"], "truth": str(which)}
            client.post(f"{url}/feedback", json=truth).raise_for_status()
        car = [("images", car_png)]
        answer = client.post(f"{url}/price/batch", files=car).json()
        doubled = answer["answers"][0]["price"] * 2
        truth = {"request_id": answer["request_id"], "index": 0, "truth": doubled}
        client.post(f"{url}/feedback", json=truth).raise_for_status()
        client.post(f"{url}/feedback", json={"request_id": "unknown", "truth": "7"}).raise_for_status()
    with (folder / "predictions-0.jsonl").open("a") as file:
        file.write("cut o")
    done = CliRunner().invoke(app, ["evaluate", "--from-log", str(folder)])
    rows = [[cell.strip() for cell in row.split("│")[1:-1]] for row in done.stdout.splitlines()]
    cells = {row[0]: row[1] for row in rows if len(row) == 2}

    assert done.exit_code == 0, done.output
    assert "digits-mlp, version" in done.stdout
    assert "accuracy" in cells
    assert cells["accuracy"] == "100.0% (95 % interval: 61.0% to 100.0%)"
    assert cells["median_ape"] == "50.0%"
    assert cells["coverage"].startswith(("0.0%", "100.0%"))
    assert cells["of no prediction in the log"] == "1"
    assert cells["broken lines, of either kind"] == "1"
