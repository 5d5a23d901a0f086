"""The command `fiftyone`: the answers of a model as a dataset to look at."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from models.model import ZOO
from training.cli.console import console
from training.cli.options import RUNS, DataFolder, ZooFolder
from training.data import sources
from training.fitting.tracking import is_installed


class Part(StrEnum):
    """The parts of a data set."""

    TRAIN = "train"
    VALIDATION = "validation"
    CALIBRATION = "calibration"
    TEST = "test"


def write_fiftyone(
    name: Annotated[str, typer.Argument(help="A model of the zoo.")],
    data: DataFolder = sources.DATA,
    zoo: ZooFolder = ZOO,
    split: Annotated[Part, typer.Option(help="Of the data set that the model was trained on.")] = Part.TEST,
    pictures: Annotated[
        Path | None, typer.Option(help="A CSV file of other pictures: file and label, or file and price.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="So many pictures, spread evenly.")] = None,
    to: Annotated[Path | None, typer.Option(help="The folder to write; runs/NAME/fiftyone.")] = None,
) -> None:
    """Write pictures, truth, predictions, intervals, errors and familiarity as a FiftyOne dataset.

    Where the fiftyone package is installed, it is read into its database too.
    """
    from training.cli.steps import examples_of, spread_evenly
    from training.evaluation.evaluate import predict
    from training.evaluation.fiftyone.dataset import register, write_dataset

    model, source, part, examples = examples_of(zoo / f"{name}.onnx", data, split, pictures)
    examples = spread_evenly(examples, limit)
    folder = to or RUNS / name / "fiftyone"
    dataset = f"{name}-{source}-{part}"
    write_dataset(folder, dataset, model.card, source, part, examples, predict(model, examples.pixels))
    console.print(f"wrote {len(examples)} pictures to {folder}")
    if is_installed("fiftyone"):
        register(folder, dataset)
        console.print(f"to look at them: fiftyone app launch {dataset}")
    else:
        console.print(
            f"to look at them, where FiftyOne is installed: fiftyone datasets create -n {dataset}"
            f" -d {folder} -t fiftyone.types.FiftyOneDataset; fiftyone app launch {dataset}",
            soft_wrap=True,
        )
