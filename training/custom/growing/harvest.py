"""The harvest of a prediction log: pictures that were kept and whose truth a client told."""

import hashlib
import io
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from models.image.decode import FORMATS, PictureError, open_picture
from models.prediction_record import PICTURES_FOLDER, ClassAnswered, Feedback, Prediction
from training.data.collection.additions import Addition
from training.evaluation.online import Pairs, PredictionLog, pair_feedback

SHA256 = re.compile(r"[0-9a-f]{64}")

SUFFIXES = {"JPEG": ".jpg", "HEIF": ".heic", "TIFF": ".tif"}
"""Of formats whose suffix is not their name."""

NO_PICTURE = "its picture was not kept (GLIMPSE_LOG_PICTURES)"


@dataclass(frozen=True)
class Harvest:
    """What a prediction log has to learn from.

    Attributes:
        told: Pictures with their truth, by the time they were told, each once.
        unused: The number of predictions, pictures or feedback that cannot be used, by the reason.
    """

    told: tuple[Addition, ...]
    unused: Mapping[str, int]


def harvest(log: PredictionLog, folder: Path, model: str, classes: Collection[str]) -> Harvest:
    """Find the pictures of a model that have a truth.

    Args:
        log: As it was read from `folder`.
        folder: The log's, with the kept pictures.
        model: By its name; all its versions count.
        classes: That the collection has; empty where it has numbers.
    """
    pairs = pair_feedback(log)
    unused = _unpaired(log, pairs, model)
    by_picture: dict[str, tuple[Prediction, Feedback]] = {}
    for prediction, feedback in sorted(_about(pairs, model, classes, unused), key=lambda pair: pair[1].time):
        name = prediction.picture
        # A name that is no digest could point anywhere.
        if not (name and SHA256.fullmatch(name) and (folder / PICTURES_FOLDER / name).is_file()):
            unused[NO_PICTURE] += 1
            continue
        if name in by_picture:
            same = by_picture[name][1].truth == feedback.truth
            unused["the same picture was told " + ("again" if same else "otherwise later")] += 1
        by_picture[name] = prediction, feedback
    told = []
    for name, (prediction, feedback) in by_picture.items():
        file = folder / PICTURES_FOLDER / name
        suffix = _suffix(file, name)
        if suffix is None:
            unused["the kept picture is damaged"] += 1
        else:
            told.append(Addition(file, name, suffix, _label(feedback), _source(prediction, feedback)))
    return Harvest(tuple(told), {reason: count for reason, count in unused.items() if count})


def _unpaired(log: PredictionLog, pairs: Pairs, model: str) -> Counter[str]:
    """Lines of the log that lead nowhere."""
    told = {(feedback.request_id, feedback.index) for feedback in log.feedback}
    answered = [(p.request_id, p.index) for p in log.predictions if p.model == model]
    return Counter(
        {
            "broken lines of the log": log.broken,
            f"predictions of {model} that nobody told the truth about": sum(k not in told for k in answered),
            "feedback to no prediction in the log": pairs.unmatched,
            "feedback to an id under which a model answered twice": pairs.ambiguous,
            "feedback that is a number for a class, or a word for a number": pairs.wrong_kind,
            "feedback that later feedback to the same answer replaces": pairs.repeated,
        }
    )


def _about(
    pairs: Pairs, model: str, classes: Collection[str], unused: Counter[str]
) -> list[tuple[Prediction, Feedback]]:
    """The pairs whose truth is about the answer of this model."""
    models: dict[tuple[str, int | None], set[str]] = {}
    for prediction, _ in pairs.told:
        models.setdefault((prediction.request_id, prediction.index), set()).add(prediction.model)
    unused["feedback about another model"] = sum(model not in names for names in models.values())
    chosen = []
    for prediction, feedback in pairs.told:
        if prediction.model != model:
            continue
        # With several models under one id, a truth is this one's only where it is one of its classes.
        alone = len(models[prediction.request_id, prediction.index]) == 1
        if alone or feedback.truth in classes:
            chosen.append((prediction, feedback))
        else:
            unused["feedback to several models that may be about another one"] += 1
    return chosen


def _suffix(file: Path, digest: str) -> str | None:
    """The suffix of the picture's format; None where it is not the picture that it was."""
    data = file.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        return None
    try:
        open_picture(data, 1)
    except PictureError:
        return None
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        assert image.format is not None
        return SUFFIXES.get(image.format, f".{image.format.lower()}")


def _label(feedback: Feedback) -> str:
    truth = feedback.truth
    return truth.strip() if isinstance(truth, str) else repr(truth).removesuffix(".0")


def _source(prediction: Prediction, feedback: Feedback) -> dict[str, str]:
    answer = prediction.answer
    answered = answer.label if isinstance(answer, ClassAnswered) else f"{answer.price:.6g}"
    return {
        "request_id": prediction.request_id,
        "index": "" if prediction.index is None else str(prediction.index),
        "time": feedback.time.isoformat(),
        "version": prediction.version,
        "answered": answered,
    }
