"""Exported files: floors, the card inside, its reference and its page."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from models.model import open_model
from tests.training.conftest import LINEAR
from training.data import splits as datasets
from training.export import onnx_graph
from training.export.drift_reference import deciles, write_reference
from training.export.export import ExportError, export
from training.export.model_card import meaning, render
from training.fitting.fit import fit


def test_below_its_floor_no_file_is_written(digits, tmp_path):
    recipe = replace(LINEAR, floors={"accuracy": 0.9999})

    with pytest.raises(ExportError, match="its floor is"):
        export(recipe, fit(recipe, digits), digits, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_exported_file_is_self_describing(digits, tmp_path):
    path = export(LINEAR, fit(LINEAR, digits), digits, tmp_path)
    graph = onnx.load(path)
    card = open_model(path).card

    assert [value.name for value in graph.graph.input] == ["pixels"]
    assert [value.name for value in graph.graph.output] == ["probabilities", "familiarity"]
    assert card.training.fingerprint == digits.fingerprint
    assert card.measured.n == len(digits.test)
    assert card.reference.n == len(digits.test)
    assert [len(values) for values in card.curves.values()] == [2, 2, 2, 2]
    assert not any(node.metadata_props or node.doc_string for node in graph.graph.node)


def test_the_reference_of_a_file_is_written_again_and_nothing_else(digits, tmp_path):
    path = export(LINEAR, fit(LINEAR, digits), digits, tmp_path)
    model = open_model(path)
    bare = model.card.model_copy(update={"reference": None})
    onnx_graph.write(onnx.load(path), bare, path)
    before = onnx.load(path)
    write_reference(open_model(path), digits)
    after = onnx.load(path)

    assert open_model(path).card == model.card
    assert after.graph == before.graph
    with pytest.raises(datasets.DataError, match="trained on other pictures"):
        write_reference(model, digits.limited(100))


def test_deciles_have_equal_shares():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 3, 5000).astype(np.float32)
    histogram = deciles(values)

    assert len(histogram.edges) == 9
    assert histogram.shares == pytest.approx([0.1] * 10, abs=1e-3)


def test_values_that_are_all_but_the_same_share_a_bin():
    values = np.concatenate([np.linspace(0, 0.5, 50), np.full(50, 1), np.full(50, 1 - 1e-7)])
    histogram = deciles(values.astype(np.float32))

    assert len(histogram.edges) == 4
    assert sum(histogram.shares) == pytest.approx(1)
    assert histogram.shares[-1] == pytest.approx(2 / 3, abs=0.01)


def test_model_card_for_people_says_what_the_card_says(trained_zoo):
    for path in trained_zoo.glob("*.onnx"):
        card = open_model(path).card
        page = render(card, path.stat().st_size)

        for fact in (card.summary, card.version, card.training.name, card.measured.data):
            assert fact in page
        assert f"To {card.reference.data}, n = {card.reference.n:,}" in page
        assert f"{card.reference.familiarity.shares[-1]:.1%} from" in page
        for metric in card.measured.values:
            assert f"| {metric} |" in page
            assert meaning(metric) in page
