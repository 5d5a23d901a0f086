"""Matrix products, mistakes with them, and the walk through the served networks."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from models.model import ZOO, find_model_files
from training.course.neurons.dimensions.mistakes import mistakes, outcome
from training.course.neurons.dimensions.walk import Step, folded, main_path, shapes_of, walk, with_shapes
from training.course.neurons.shapes import COMPARED, product_by_hand, products, run, trained_parameters
from training.course.page import Page
from training.course.workbench import Workbench

FILES = find_model_files(ZOO)


@pytest.fixture(scope="module")
def page(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return run(Workbench(tmp_path_factory.mktemp("shapes"), data, small=True))


@pytest.mark.parametrize(
    ("name", "left", "right"), products(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_the_outer_sizes_stay(name: str, left: torch.Tensor, right: torch.Tensor) -> None:
    result = product_by_hand(left, right)
    assert result.shape == (left.shape[0], right.shape[1])
    torch.testing.assert_close(result, left @ right, rtol=1e-4, atol=1e-3)


def test_the_lectures_practice() -> None:
    results = {name: left @ right for name, left, right in products()}
    torch.testing.assert_close(results["practice, a row"], torch.tensor([[0.31, 0.32, 0.33, 0.34]]))
    torch.testing.assert_close(results["practice, 2 x 2"], torch.tensor([[-16.0, 20], [16, 2]]))


def test_each_mistake_does_what_its_explanation_says() -> None:
    for mistake in mistakes():
        raised, message = outcome(mistake)
        assert raised != mistake.meaning.startswith("No error"), mistake.code
        if raised and "shape" in message and "mat1" in message:
            # The message names the shapes of the comment.
            assert any(size in message for size in ("4x1", "1x4", "5600x28", "8x12288"))


def test_broadcasting_makes_a_loss_of_perfect_predictions() -> None:
    (silent,) = (mistake for mistake in mistakes() if "prices" in mistake.code)
    assert outcome(silent) == (False, "1.6")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_inferred_shapes_are_those_of_a_real_run(path: Path) -> None:
    model = with_shapes(path, 2)
    shapes = shapes_of(model.graph)
    names = [node.output[0] for node in main_path(model.graph)]
    given = onnx.load(str(path))
    del given.graph.output[:]
    given.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = ort.InferenceSession(given.SerializeToString(), providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    type_ = np.uint8 if entry.type == "tensor(uint8)" else np.float32
    outputs = session.run(names, {entry.name: np.zeros(shapes[entry.name], type_)})
    assert {name: shapes[name] for name in names} == {
        name: output.shape for name, output in zip(names, outputs, strict=True)
    }


@pytest.mark.parametrize("name", COMPARED)
def test_a_served_network_has_the_trained_parameters_less_the_folded_ones(name: str) -> None:
    trained, channels = trained_parameters(name)
    assert sum(step.parameters for step in walk(ZOO / f"{name}.onnx", 1)) == trained - channels


def test_a_walk_of_known_layers() -> None:
    steps = walk(ZOO / "digits-mlp.onnx", 7)
    linear = [(step.shape, step.parameters, step.multiplications) for step in steps if step.layers]
    assert linear == [((7, 800), 785 * 800, 784 * 800), ((7, 10), 801 * 10, 800 * 10)]
    assert steps[0].shape == (7, 28, 28, 1)


def test_folding_loses_nothing() -> None:
    steps = walk(ZOO / "cars-transfer.onnx", 2)
    rows = folded(steps)
    assert len(rows) < len(steps) / 3

    def totals(steps: list[Step]) -> list[int]:
        return [sum(getattr(s, name) for s in steps) for name in ("parameters", "multiplications", "layers")]

    assert totals(rows) == totals(steps)


def test_the_claim(page: Page) -> None:
    assert page.holds
    assert page.values["mistakes_raised"] == 9
    assert page.values["mistakes_silent"] == 3


def test_a_convolution_works_more_with_fewer_parameters(page: Page) -> None:
    values = page.values
    assert values["parameters_digits-cnn"] < values["parameters_digits-mlp"] / 2
    assert values["multiplications_digits-cnn"] > 5 * values["multiplications_digits-mlp"]
