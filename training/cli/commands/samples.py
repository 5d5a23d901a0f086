"""The command that draws folders of pictures to try the others with: `samples`."""

from pathlib import Path
from typing import Annotated

import typer

from training.cli.console import console


def draw_samples(
    folder: Annotated[Path, typer.Argument(help="Where the pictures go: a new or an empty folder.")],
    each: Annotated[int, typer.Option(min=5, help="Pictures of each class.")] = 30,
) -> None:
    """Draw pictures to try `check`, `new` and `grow` with: four kinds of mushrooms, cars with prices.

    Two of the mushrooms are wrong on purpose, for `check` to find.
    """
    from training.data.samples.folders import write_samples

    for name, count in write_samples(folder, each).items():
        console.print(f"{folder / name}: {count} pictures", soft_wrap=True)
