"""Drift: the index, the window, and a server that is fed what its models do not expect."""

import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.server import REPO, serving
from models.model import ZOO, open_model
from service.monitoring.drift import MIN_ANSWERS_PER_BIN, WINDOW_ANSWERS, Drift, stability_index
from service.monitoring.shared.counters import SharedCounters
from service.monitoring.shared.folder import SHARED_FOLDER
from tests.support.http_calls import CLIENT
from tests.support.images import pictures
from training.data import mnist

DIGITS, CARS = (open_model(ZOO / f"{name}.onnx").card for name in ("digits-linear", "cars-mlp"))
COUNTS = st.lists(st.integers(0, 500), min_size=2, max_size=12).filter(any)
PAIRS = st.integers(2, 12).flatmap(
    lambda bins: st.tuples(*[st.lists(st.integers(0, 500), min_size=bins, max_size=bins).filter(any)] * 2)
)


def shares(counts):
    return [count / sum(counts) for count in counts]


@given(COUNTS, st.integers(1, 50))
def test_the_same_distribution_has_no_index(counts, times):
    assert stability_index(shares(counts), [times * count for count in counts]) == pytest.approx(0, abs=1e-12)


@given(PAIRS)
def test_the_index_is_symmetric_and_never_negative(pair):
    then, now = pair
    index = stability_index(shares(then), now)

    assert index >= 0
    assert index == pytest.approx(stability_index(shares(now), then))


@given(PAIRS, st.floats(0.05, 0.45), st.floats(0.55, 1))
def test_the_index_grows_with_the_shift(pair, little, much):
    """From one distribution towards another, which differs from it."""
    then, other = (np.array(shares([count + 1 for count in counts])) for counts in pair)
    if np.allclose(then, other):
        return
    indexes = [
        stability_index(then, list(1e6 * ((1 - part) * then + part * other))) for part in (little, much)
    ]

    assert indexes[0] < indexes[1]


def test_the_index_of_a_known_case():
    """A textbook's two bins: (0.6 - 0.5) ln(0.6 / 0.5) + (0.4 - 0.5) ln(0.4 / 0.5)."""
    assert stability_index([0.5, 0.5], [60, 40]) == pytest.approx(0.1 * np.log(1.2) - 0.1 * np.log(0.8))


def class_row(which, confidence=0.9, familiarity=1.0):
    probabilities = np.full(10, (1 - confidence) / 9, np.float32)
    probabilities[which] = confidence
    return {"probabilities": probabilities, "familiarity": np.float32(familiarity)}


def price_row(price, familiarity=1.0):
    return {"value": np.float32(price), "familiarity": np.float32(familiarity)}


def test_few_answers_have_no_index():
    drift = Drift(DIGITS)
    empty = drift.report()
    for count in range(10 * MIN_ANSWERS_PER_BIN):
        assert set(drift.report().index.values()) == {None}
        drift.observe(class_row(count % 10))

    assert (empty.answers, empty.unfamiliar) == (0, None)
    assert set(empty.index) == {"answer", "confidence", "familiarity"}
    assert drift.report().index["answer"] < 0.05


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0.2, 1), st.floats(0, 1)), max_size=60))
def test_the_window_forgets(seen):
    """Whatever came before, after a whole window of sevens only they are known."""
    drift, fresh = Drift(DIGITS), Drift(DIGITS)
    for which, confidence, familiarity in seen:
        drift.observe(class_row(which, confidence, familiarity))
    for _ in range(WINDOW_ANSWERS):
        drift.observe(class_row(7))
        fresh.observe(class_row(7))

    assert drift.report() == fresh.report()
    assert drift.report().answers == WINDOW_ANSWERS


def test_prices_drift_too():
    usual, dear = Drift(CARS), Drift(CARS)
    middles = (0, *CARS.reference.prices.edges)
    for count in range(200):
        usual.observe(price_row(middles[count % 10] + 1, 0.97))
        dear.observe(price_row(200_000, 0.97))

    assert set(usual.report().index) == {"answer", "familiarity"}
    assert usual.report().index["answer"] < 0.01
    assert dear.report().index["answer"] > 1


def test_an_answer_that_is_no_number_is_unfamiliar():
    drift = Drift(CARS)
    drift.observe(price_row(np.nan, np.nan))

    assert (drift.report().answers, drift.report().unfamiliar) == (1, 1.0)


def test_without_a_reference_only_the_unfamiliar_are_counted():
    drift = Drift(DIGITS.model_copy(update={"reference": None}))
    for familiarity in (0.0, 1.0, 1.0, 1.0):
        drift.observe(class_row(1, familiarity=familiarity))

    assert (drift.report().answers, drift.report().unfamiliar, drift.report().index) == (4, 0.25, {})


OTHER_WORKER = """
import sys
from service.monitoring.shared.counters import SharedCounters
counts = SharedCounters("drift-x", 3)
counts.own[1] += 5
print("counted", flush=True)
sys.stdin.read()
"""


def test_workers_add_up_while_they_live(tmp_path, monkeypatch):
    monkeypatch.setenv(SHARED_FOLDER, str(tmp_path))
    mine, other_model = SharedCounters("drift-x", 3), SharedCounters("drift-xy", 3)
    mine.own[0], mine.own[1], other_model.own[2] = 2, 1, 9
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER_WORKER], cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with other:
        assert other.stdout.readline() == b"counted\n"
        both = mine.total()
        other.kill()

    assert both == [2, 6, 0]
    assert mine.total() == [2, 1, 0]
    assert len(list(tmp_path.glob("*.counts"))) == 2


def series(url):
    text = CLIENT.get(f"{url}/metrics").text
    found = re.findall(r'^glimpse_drift_(\w+)\{(?:facet="(\w+)",)?model="digits-linear"\} (\S+)', text, re.M)
    return {facet or name: float(value) for name, facet, value in found}


def shown(url):
    models = CLIENT.get(f"{url}/models").json()["models"]
    return next(model["drift"] for model in models if model["name"] == "digits-linear")


def ask(url, images):
    for start in range(0, len(images), 100):
        files = [("images", image) for image in images[start : start + 100]]
        # A connection each: which of several workers answers is the kernel's choice.
        answer = CLIENT.post(f"{url}/classify/batch?model=digits-linear", files=files)
        answer.raise_for_status()


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_sees_shifted_pictures(zoo, tmp_path, data, workers):
    digits = mnist.mnist(data).validation
    encoded = [pictures.encoded(pictures.Image.fromarray(pixels[:, :, 0])) for pixels in digits.pixels[:1500]]
    ones = [image for image, target in zip(encoded, digits.targets, strict=False) if target == 1]
    page = pictures.encoded(pictures.landscape(64, 64))
    with serving(zoo, tmp_path / "log", workers=workers) as url:
        ask(url, encoded[:100])
        few, few_shown = series(url), shown(url)
        ask(url, encoded[100:500])
        usual, usual_shown = series(url), shown(url)
        ask(url, 3 * ones)
        all_ones = series(url)
        ask(url, 400 * [page])
        strange, strange_shown = series(url), shown(url)

    # Too few for an index, and it says so.
    assert few == {"answers": 100, "unfamiliar_share": pytest.approx(0.02, abs=0.03)}
    assert few_shown["index"] == {"answer": None, "confidence": None, "familiarity": None}
    # What it was made for.
    assert usual["answers"] == 500
    assert max(usual["answer"], usual["confidence"], usual["familiarity"]) < 0.1
    assert usual["unfamiliar_share"] < 0.05
    assert usual_shown["answers"] == 500
    assert usual_shown["index"] == {
        facet: pytest.approx(usual[facet]) for facet in ("answer", "confidence", "familiarity")
    }
    # All of one class, and pictures of something else.
    assert all_ones["answer"] > 0.25
    assert all_ones["unfamiliar_share"] < 0.05
    assert strange["familiarity"] > 0.25
    assert strange["unfamiliar_share"] > 0.3
    assert strange_shown["unfamiliar"] == pytest.approx(strange["unfamiliar_share"])


def test_many_at_once_are_counted_as_one_by_one():
    for card in (DIGITS, CARS):
        outputs = {name: np.asarray(values, np.float32) for name, values in card.golden.answers.items()}
        together, singly = Drift(card), Drift(card)
        together._window = together._window[:20]  # so that some answers leave it again
        singly._window = singly._window[:20]
        for _ in range(2):
            together.observe_each(outputs)
            for index in range(len(outputs["familiarity"])):
                singly.observe({name: values[index] for name, values in outputs.items()})
            assert list(together._counters.own) == list(singly._counters.own)
        assert together.report().answers == min(2 * len(outputs["familiarity"]), 20)
