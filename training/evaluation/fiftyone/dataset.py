"""A FiftyOne dataset on disk: metadata.json, samples.json and data/.

It is the form of `fiftyone.types.FiftyOneDataset` (FiftyOneDatasetImporter in the package); neither the
package nor its MongoDB is needed to write it.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.atomic import replacing, write_atomically
from models.card import Card, ClassifierCard, Outputs
from training.data.splits import Examples
from training.evaluation.fiftyone.columns import answers
from training.evaluation.fiftyone.document import Document, dataset_document, draw, object_id


def write_dataset(
    folder: Path, name: str, card: Card, data: str, part: str, examples: Examples, outputs: Outputs
) -> Path:
    """Write pictures, truth, predictions, intervals, errors and familiarity.

    Pictures are what the network sees: the pixels that the model's view made. The same answers give the same
    files, ids included. What else is in the folder stays.

    Args:
        folder: Of the dataset.
        name: Of the dataset.
        card: Of the model.
        data: Name of the data set.
        part: The tag of all samples, such as "test".
        examples: N pictures with their targets.
        outputs: The model's outputs for them.

    Returns:
        The path of metadata.json, which is written last.
    """
    samples = []
    for index, fields in enumerate(answers(card, examples, outputs)):
        file = f"data/{index:05}.png"
        metadata = _write_picture(folder / file, examples.pixels[index])
        key = f"{name} {card.version} {index}"
        sample = {
            "_id": object_id(key),
            "filepath": file,
            "tags": [part],
            "metadata": metadata,
            "_media_type": "image",
            "_rand": draw(key),
            "index": index,
        }
        labelled = {field: _with_id(value, f"{key} {field}") for field, value in fields.items()}
        samples.append(sample | labelled)
    write_atomically(folder / "samples.json", json.dumps({"samples": samples}, allow_nan=False))
    facts: Document = {
        "model": card.name,
        "version": card.version,
        "data": data,
        "licence": card.training.licence,
    }
    if isinstance(card, ClassifierCard):
        classes = list(card.labels)
    else:
        classes = []
        facts |= {"unit": card.unit, "basis": card.basis, "coverage": card.coverage}
    facts["familiarity_threshold"] = card.familiarity_threshold
    path = folder / "metadata.json"
    write_atomically(path, json.dumps(dataset_document(name, facts, classes, samples[0]), indent=1) + "\n")
    return path


def read_samples(folder: Path) -> list[Document]:
    """What `write_dataset` wrote of each picture."""
    samples: list[Document] = json.loads((folder / "samples.json").read_text())["samples"]
    return samples


def register(folder: Path, name: str) -> None:
    """Read a dataset into FiftyOne's own database, in place of an earlier one of that name.

    Needs the fiftyone package and its MongoDB.
    """
    import fiftyone

    kind = fiftyone.types.FiftyOneDataset
    fiftyone.Dataset.from_dir(
        str(folder), dataset_type=kind, name=name, persistent=True, overwrite=True, progress=False
    )


def _with_id(value: Any, key: str) -> Any:
    """A label with the id that FiftyOne wants each to have; any other value as it is."""
    return {"_id": object_id(key), "tags": [], **value} if isinstance(value, dict) else value


def _write_picture(path: Path, pixels: npt.NDArray[np.uint8]) -> Document:
    """Write a PNG; returns FiftyOne's metadata of it."""
    height, width, channels = pixels.shape
    with replacing(path) as partial:
        Image.fromarray(pixels.squeeze(2) if channels == 1 else pixels).save(partial, "PNG")
    return {
        "_cls": "ImageMetadata",
        "size_bytes": path.stat().st_size,
        "mime_type": "image/png",
        "width": width,
        "height": height,
        "num_channels": channels,
    }
