"""`python -m training`: fetch data, train, evaluate and export models, and run the labs of the course."""

import typer

from training.cli.commands.custom import check_pictures, new_model, remove_model
from training.cli.commands.evaluate import (
    crossvalidate_model,
    evaluate_models,
    report_models,
    write_references,
)
from training.cli.commands.fiftyone import write_fiftyone
from training.cli.commands.grow import grow_model
from training.cli.commands.samples import draw_samples
from training.cli.commands.train import export_models, fetch_data, train_models
from training.cli.console import ErrorsInOneLine, configure_logging
from training.course.commands import run_course, run_lab

app = typer.Typer(
    cls=ErrorsInOneLine, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
app.command(name="fetch")(fetch_data)
app.command(name="train")(train_models)
app.command(name="export")(export_models)
app.command(name="evaluate")(evaluate_models)
app.command(name="report")(report_models)
app.command(name="reference")(write_references)
app.command(name="crossvalidate")(crossvalidate_model)
app.command(name="fiftyone")(write_fiftyone)
app.command(name="samples")(draw_samples)
app.command(name="new")(new_model)
app.command(name="grow")(grow_model)
app.command(name="check")(check_pictures)
app.command(name="rm")(remove_model)
app.command(name="lab")(run_lab)
app.command(name="course")(run_course)


def main() -> None:
    """Run the command line."""
    configure_logging()
    app()


if __name__ == "__main__":
    main()
