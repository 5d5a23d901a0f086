"""Cards: their JSON stays as stored, and what cannot be true is refused."""

import json

import pytest
from pydantic import TypeAdapter, ValidationError

from models.card import METADATA_KEY, read_card
from models.image.views import AnyView, DigitView, GreyView, PhotoView, SquashView
from models.model import find_model_files, read_model_file

STORED = {path.stem: read_model_file(path).metadata[METADATA_KEY] for path in find_model_files()}
VIEW = TypeAdapter(AnyView)


@pytest.mark.parametrize("text", STORED.values(), ids=STORED)
def test_json_is_as_stored(text):
    """Drift counters are keyed by a hash of it (service/monitoring/drift.py)."""
    card = read_card(text)

    assert card.model_dump_json() == text
    assert json.dumps(card.model_dump(mode="json")) == json.dumps(json.loads(text))


@pytest.mark.parametrize("view", [DigitView(), GreyView(size=32), PhotoView(crop=64), SquashView()])
def test_view_is_written_as_recipe_and_read_as_both(view):
    written = view.model_dump(mode="json")
    parameters = {name: value for name, value in written.items() if name != "recipe"}

    assert written["recipe"] == view.kind
    assert "kind" not in written
    for spelling in ("recipe", "kind"):
        assert VIEW.validate_python({spelling: view.kind} | parameters) == view
        assert VIEW.validate_json(json.dumps({spelling: view.kind} | parameters)) == view
    assert json.loads(VIEW.dump_json(view)) == written


@pytest.mark.parametrize(
    "view",
    [{}, {"kind": "cubist"}, {"recipe": "cubist"}, {"kind": "digit", "recipe": "grey"}, "digit", None],
    ids=str,
)
def test_unknown_view_is_refused(view):
    with pytest.raises(ValidationError):
        VIEW.validate_python(view)


def test_card_in_the_new_spelling():
    """A card of a later version, should it write `kind`."""
    text = STORED["digits-linear"]

    assert read_card(text.replace('"recipe":"digit"', '"kind":"digit"')) == read_card(text)


def test_card_without_a_reference():
    """As in files from before there were references."""
    card = json.loads(STORED["digits-linear"])
    del card["reference"]

    assert read_card(json.dumps(card)).reference is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": (0.5, 0.5)}, "2 shares, not one per label"),
        ({"classes": (0.2,) * 10}, "the shares sum to 2"),
        ({"classes": (-0.1, 0.3, *(0.1,) * 8)}, "greater than or equal to 0"),
        ({"confidence": {"edges": (0.9, 0.9), "shares": (0.2, 0.3, 0.5)}}, "the edges do not increase"),
        ({"confidence": {"edges": (0.9,), "shares": (0.2, 0.3, 0.5)}}, "1 edges make 2 bins"),
        ({"n": 0}, "greater than 0"),
    ],
)
def test_impossible_reference_is_refused(change, message):
    card = json.loads(STORED["digits-linear"])
    card["reference"] |= change

    with pytest.raises(ValidationError, match=message):
        read_card(json.dumps(card))
