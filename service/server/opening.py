"""Opening the models before anything is served, with a reason where that fails.

Imports little: the supervisor opens them in a thread while the rest is imported.
"""

import contextlib
import sys
from collections.abc import Iterator

from models.model import ZooError, find_model_files
from service.inference.device import DeviceError, choose_device
from service.inference.session import OpenModels, open_models
from service.monitoring.prediction_log import jsonl_files
from service.settings import Settings


def open_for_workers(settings: Settings) -> OpenModels | None:
    """Models for all workers; None on a GPU, whose state no fork may copy: each worker opens them then.

    Ends the process with exit code 1 and the reason where a model file is bad, the device is not there, or
    the prediction log cannot be written.
    """
    with explained(settings):
        if choose_device(settings.device).name == "cuda":
            return None
        return open_models(find_model_files(settings.models_dir), settings)


@contextlib.contextmanager
def explained(settings: Settings) -> Iterator[None]:
    """End the process with the reason where what is opened in the block cannot be."""
    try:
        if settings.prediction_log:
            jsonl_files.check(settings.prediction_log)
        yield
    except (ZooError, DeviceError, jsonl_files.LogError) as error:
        sys.exit(f"error: {error}")
