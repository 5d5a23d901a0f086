"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from training.fitting.tracking import Tool

RUNS = Path("runs")
PICTURES = Path("docs/models")
"""Where plots for the model cards go."""

RecipeNames = Annotated[list[str] | None, typer.Argument(help="Models; all that data is at hand for.")]
ModelNames = Annotated[list[str] | None, typer.Argument(help="Models of the zoo; all of them.")]
DataFolder = Annotated[Path, typer.Option("--data", help="Where data sets lie.")]
ZooFolder = Annotated[Path, typer.Option("--zoo", help="Where .onnx files go.")]
RunsFolder = Annotated[Path, typer.Option("--runs", help="Where checkpoints and histories go.")]
Limit = Annotated[int | None, typer.Option(help="Train on this many pictures only, for a try.")]
Epochs = Annotated[int | None, typer.Option(help="Instead of the recipe's.")]
Seed = Annotated[int | None, typer.Option(help="Instead of the recipe's.")]
Track = Annotated[Tool, typer.Option(help="Where the curves and metrics of the run are recorded.")]
