"""Sessions: the device that was asked for, and fixed batch sizes that change no answer."""

import numpy as np
import pytest

from models.model import CPU, ZOO, find_model_files, open_model
from service.inference.device import Device, DeviceError, batch_size, choose_device
from service.inference.session import BucketedModel, open_models
from service.settings import Settings


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13])
@pytest.mark.parametrize("name", ["digits-cnn", "cars-cnn"])
def test_padding_to_a_fixed_size_changes_no_answer(name, count):
    """Binding and padding work on every provider; here on the CPU's."""
    model = open_model(ZOO / f"{name}.onnx")
    fixed = BucketedModel(**vars(model))
    pixels = np.random.default_rng(count).integers(0, 256, (count, *model.card.view.shape), np.uint8)

    expected, answered = model(pixels), fixed(pixels)

    assert set(answered) == set(expected)
    for output, values in expected.items():
        assert answered[output].shape == values.shape
        np.testing.assert_allclose(answered[output], values, rtol=1e-4, atol=1e-5)


def test_only_a_few_sizes_are_ever_run():
    model = open_model(ZOO / "digits-linear.onnx")
    sizes = set()

    class Session:
        def io_binding(self):
            binding = model.session.io_binding()

            class Binding:
                def bind_cpu_input(self, name, pixels):
                    sizes.add(len(pixels))
                    binding.bind_cpu_input(name, pixels)

                def __getattr__(self, name):
                    return getattr(binding, name)

                @property
                def inner(self):
                    return binding

            return Binding()

        def run_with_iobinding(self, bound):
            model.session.run_with_iobinding(bound.inner)

    fixed = BucketedModel(**(vars(model) | {"session": Session()}))
    fixed.warm_up(20)
    warm = sizes.copy()
    for count in range(1, 21):
        fixed(np.zeros((count, *model.card.view.shape), np.uint8))

    assert warm == {1, 2, 4, 8, 16, 32}
    assert sizes == warm


def test_batches_of_large_pictures_are_small():
    cpu, cuda = Device("cpu", ()), Device("cuda", ())

    assert batch_size((28, 28, 1), 64, cpu) == batch_size((28, 28, 1), 64, cuda) == 64
    assert 1 <= batch_size((240, 240, 3), 64, cpu) < batch_size((240, 240, 3), 64, cuda) <= 16
    assert batch_size((1024, 1024, 3), 64, cpu) == 1


def test_the_cpu_is_a_choice_and_needs_no_reason():
    device = choose_device("cpu")

    assert (device.name, device.providers, device.reason) == ("cpu", (CPU,), "")


def test_every_model_of_the_zoo_opens_on_the_device_that_auto_finds():
    opened = open_models(find_model_files(ZOO), Settings())
    device, models = opened.device, opened.models

    assert {model.path for model in models} == set(find_model_files(ZOO))
    assert device.name == "cuda" or device.reason


@pytest.mark.gpu
def test_cuda_is_really_used():
    try:
        opened = open_models(find_model_files(ZOO), Settings(device="cuda"))
        device, models = opened.device, opened.models
    except DeviceError as error:
        pytest.skip(f"no NVIDIA GPU: run on a machine with one ({error})")
    assert device.name == "cuda"
    for model in models:
        assert model.session.get_providers()[0] == "CUDAExecutionProvider"
        cpu = open_model(model.path)
        pixels = np.random.default_rng(0).integers(0, 256, (5, *model.card.view.shape), np.uint8)
        for output, values in cpu(pixels).items():
            np.testing.assert_allclose(model(pixels)[output], values, rtol=1e-2, atol=1e-3)
