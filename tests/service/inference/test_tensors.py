"""Pictures that come as pixels: what they answer, and that they share all with those that come as files."""

import asyncio
import threading

import numpy as np
import pytest

from models.image.decode import open_picture
from models.model import ZOO, Model, open_model
from service.application import Application
from service.cores import usable_cores
from service.errors import DeadlinePassed, Overloaded, UnknownModel
from service.inference import pipeline
from service.inference.admission import Admission
from service.inference.pipeline import NotFinite
from service.monitoring.model_metrics import ModelMetrics
from service.monitoring.shared.folder import SHARED_FOLDER
from service.settings import Settings
from tests.support.images import pictures
from tests.support.models.trapped import FATAL, FINE, NAME, no_number, trapped
from tests.support.waiting import WITHIN_S, reached

MODEL = open_model(ZOO / f"{NAME}.onnx")
VIEW = MODEL.card.view
PNG = pictures.encoded(pictures.digit(7))


def noise(count):
    return np.random.default_rng(0).integers(0, 256, (count, *VIEW.shape), np.uint8)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo")
    (folder / f"{NAME}.onnx").symlink_to(ZOO / f"{NAME}.onnx")
    return folder


@pytest.fixture(params=["on the loop", "in threads"])
def lane(request, monkeypatch):
    if request.param == "in threads":
        monkeypatch.setattr(pipeline, "MAX_FAST_S", 0)


@pytest.fixture
def opened(zoo, monkeypatch):
    """Opens an application, and counts for its model from zero."""
    monkeypatch.delenv(SHARED_FOLDER, raising=False)
    monkeypatch.setattr(ModelMetrics, "_all", {})
    return lambda folder=zoo, **settings: Application.open(
        Settings(models_dir=folder, device="cpu", **settings)
    )


@pytest.fixture
def held(monkeypatch):
    """The gate that runs of models wait at, in threads of their own, and the sizes of those that began."""
    monkeypatch.setattr(pipeline, "MAX_FAST_S", 0)
    gate, began, run = threading.Event(), [], Model.__call__

    def waiting(model, pixels):
        began.append(len(pixels))
        assert gate.wait(WITHIN_S)
        return run(model, pixels)

    def hold():
        monkeypatch.setattr(Model, "__call__", waiting)

    yield gate, began, hold
    gate.set()


def engine_of(application):
    return application.catalog.engine(NAME)


@pytest.mark.usefixtures("lane")
def test_outputs_are_those_of_the_session_and_all_is_counted(opened):
    application, pixels = opened(max_batch_size=8), noise(150)
    outputs = asyncio.run(application.predictor.infer(pixels, NAME))

    for name, expected in MODEL(pixels).items():
        np.testing.assert_allclose(outputs[name], expected, rtol=1e-4, atol=1e-6)
    totals = ModelMetrics.of(NAME).totals()
    unfamiliar = int((outputs["familiarity"] < MODEL.card.familiarity_threshold).sum())
    assert totals.pictures["unfamiliar"] == unfamiliar > 0
    assert totals.pictures["familiar"] == 150 - unfamiliar
    assert totals.batches >= 150 / 8  # cut into the model's batches
    assert totals.stage_s["infer"] > 0
    assert engine_of(application).drift.report().answers == 150
    assert engine_of(application).admission.in_flight == 0


@pytest.mark.usefixtures("lane")
def test_a_picture_does_not_wait_for_a_whole_tensor(opened):
    async def scenario():
        predictor = opened().predictor
        tensor = asyncio.create_task(predictor.infer(noise(3000), NAME))
        await asyncio.sleep(0)  # it is first
        predicted = await predictor.predict("/x", PNG, NAME)
        assert not tensor.done()
        return predicted, await tensor

    predicted, outputs = asyncio.run(scenario())
    assert predicted.facts.label == "7"
    assert outputs["probabilities"].shape == (3000, 10)


def test_each_picture_of_a_tensor_counts_as_in_flight(opened, held):
    application = opened()
    gate, began, hold = held

    async def scenario():
        hold()
        tensor = asyncio.create_task(application.predictor.infer(noise(5), NAME))
        await reached(lambda: began)
        in_flight = engine_of(application).admission.in_flight
        gate.set()
        await tensor
        return in_flight

    assert asyncio.run(scenario()) == 5
    assert engine_of(application).admission.in_flight == 0


@pytest.mark.usefixtures("lane")
def test_more_pictures_than_may_be_in_flight_go_in_groups(opened):
    outputs = asyncio.run(opened(queue_limit=2).predictor.infer(noise(7), NAME))

    np.testing.assert_allclose(outputs["familiarity"], MODEL(noise(7))["familiarity"], rtol=1e-4)


def test_others_take_the_places(opened):
    application = opened(queue_limit=2)
    with engine_of(application).admission.slot(2), pytest.raises(Overloaded) as refused:
        asyncio.run(application.predictor.infer(noise(1), NAME))

    assert int(refused.value.headers["Retry-After"]) >= 1
    assert ModelMetrics.of(NAME).totals().pictures["refused"] == 1


def test_slow_pictures_go_in_smaller_groups(clock):
    admission = Admission(limit=512, deadline=10, target=0.5)
    assert admission.together(64) == 64
    with admission.slot():
        clock[0] += 0.04
    assert admission.together(64) == 12  # those that half a second is enough for
    with admission.slot():
        clock[0] += 100
    assert admission.together(64) == 1


def test_pixels_that_wait_past_their_deadline_are_dropped(opened, held):
    gate, began, hold = held

    async def scenario():
        predictor = opened(deadline_ms=100, max_batch_size=1).predictor
        hold()
        running = asyncio.create_task(predictor.infer(noise(usable_cores()), NAME))
        await reached(lambda: len(began) == usable_cores())
        with pytest.raises(DeadlinePassed):
            await predictor.infer(noise(3), NAME)
        gate.set()
        return await running

    assert len(asyncio.run(scenario())["familiarity"]) == usable_cores()
    assert len(began) == usable_cores()


def test_what_a_client_leaves_is_not_computed(opened, held):
    gate, began, hold = held

    async def scenario():
        application = opened(max_batch_size=1)
        hold()
        task = asyncio.create_task(application.predictor.infer(noise(40), NAME))
        await reached(lambda: len(began) == usable_cores())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert engine_of(application).admission.in_flight == 0
        gate.set()
        await application.predictor.infer(noise(1), NAME)

    asyncio.run(scenario())
    assert len(began) == usable_cores() + 1
    assert ModelMetrics.of(NAME).totals().pictures["gone"] == 40


@pytest.mark.usefixtures("lane")
def test_no_number_fails_the_tensor_and_its_other_blocks_end(opened, tmp_path, monkeypatch):
    fatal, fine = (VIEW(open_picture(data, VIEW.shorter_side)) for data in (FATAL, FINE))
    application = opened(trapped(tmp_path, no_number()), max_batch_size=1)

    told = []
    monkeypatch.setattr(engine_of(application).watchdog, "record_failure", lambda: told.append("failure"))

    async def scenario():
        with pytest.raises(NotFinite):
            await application.predictor.infer(np.stack([fatal] + [fine] * 63), NAME)
        assert told == ["failure"]
        return await application.predictor.infer(fine[np.newaxis], NAME)

    assert np.isfinite(asyncio.run(scenario())["familiarity"]).all()
    totals = ModelMetrics.of(NAME).totals()
    assert totals.pictures["failed"] == 64
    assert totals.batches < 60  # the others had not begun
    assert engine_of(application).admission.in_flight == 0


@pytest.mark.usefixtures("lane")
def test_an_engine_that_is_replaced_finishes_its_tensor(opened):
    async def scenario():
        application = opened(max_batch_size=8)
        engine = engine_of(application)
        tensor = asyncio.create_task(application.predictor.infer(noise(1000), NAME))
        await asyncio.sleep(0)
        application.catalog.remove(NAME)
        closing = asyncio.create_task(engine.close())
        with pytest.raises(UnknownModel):
            await application.predictor.infer(noise(1), NAME)
        outputs = await asyncio.wait_for(tensor, WITHIN_S)
        await closing
        return outputs

    assert len(asyncio.run(scenario())["familiarity"]) == 1000
