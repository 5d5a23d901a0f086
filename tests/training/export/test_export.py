"""Exported files: floors, the card inside, its drift reference and its page."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from models.model import open_model
from tests.training.conftest import FEW, LINEAR
from training.data.splits import DataError
from training.export import onnx_graph
from training.export.drift_reference import deciles, write_reference
from training.export.export import export
from training.export.model_card import meaning, render
from training.export.verification import ExportError
from training.fitting.fit import fit

pytestmark = pytest.mark.slow


def test_no_file_below_the_floor(digits, data, tmp_path):
    recipe = replace(LINEAR, floors={"accuracy": 0.9999})

    with pytest.raises(ExportError, match="its floor is"):
        export(recipe, fit(recipe, digits), digits, tmp_path, data, FEW)

    assert list(tmp_path.iterdir()) == []


def test_exported_file_is_self_describing(digits, exported_linear):
    graph = onnx.load(exported_linear)
    card = open_model(exported_linear).card

    assert [value.name for value in graph.graph.input] == ["pixels"]
    assert [value.name for value in graph.graph.output] == ["probabilities", "familiarity"]
    assert card.training.fingerprint == digits.fingerprint
    assert card.measured.n == len(digits.test)
    assert card.reference.n == len(digits.test)
    assert [len(values) for values in card.curves.values()] == [2, 2, 2, 2]
    assert not any(node.metadata_props or node.doc_string for node in graph.graph.node)


def test_write_reference_changes_the_card_only(digits, linear_copy):
    model = open_model(linear_copy)
    bare = model.card.model_copy(update={"reference": None})
    onnx_graph.write(onnx.load(linear_copy), bare, linear_copy)
    before = onnx.load(linear_copy)
    write_reference(open_model(linear_copy), digits)
    after = onnx.load(linear_copy)

    assert open_model(linear_copy).card == model.card
    assert after.graph == before.graph
    assert [path.name for path in linear_copy.parent.iterdir()] == [linear_copy.name]
    with pytest.raises(DataError, match="trained on other pictures"):
        write_reference(model, digits.limited(100))


def test_deciles_hold_equally_many_values():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 3, 5000).astype(np.float32)
    histogram = deciles(values)

    assert len(histogram.edges) == 9
    assert histogram.shares == pytest.approx([0.1] * 10, abs=1e-3)


def test_nearly_equal_values_share_a_bin():
    values = np.concatenate([np.linspace(0, 0.5, 50), np.full(50, 1), np.full(50, 1 - 1e-7)])
    histogram = deciles(values.astype(np.float32))

    assert len(histogram.edges) == 4
    assert sum(histogram.shares) == pytest.approx(1)
    assert histogram.shares[-1] == pytest.approx(2 / 3, abs=0.01)


def test_page_holds_the_facts_of_the_card(trained_zoo):
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
