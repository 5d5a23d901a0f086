"""`python -m models [FOLDER]`: list a zoo's models, their input and metrics."""

import sys
from pathlib import Path

from models.model import ZOO, ZooError, find_model_files, open_model


def main(folder: Path) -> int:
    """Print a table of a folder's models; return 1 if a file is refused, else 0.

    Raises:
        ZooError: There is no such folder.
    """
    columns = ("model", "task", "pixels", "view", "MB", "metrics on unseen pictures")
    rows, refusals = [columns], []
    for path in find_model_files(folder):
        try:
            card = open_model(path).card
        except ZooError as error:
            refusals.append(str(error))
            continue
        height, width, channels = card.view.shape
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in card.measured.values.items())
        rows.append((
            card.name, card.task, f"uint8 (N, {height}, {width}, {channels})", card.view.kind,
            f"{path.stat().st_size / 1e6:.1f}", f"{metrics} (n={card.measured.n})",
        ))  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(columns))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for refusal in refusals:
        print(f"refused: {refusal}", file=sys.stderr)
    return 1 if refusals else 0


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ZOO))
    except ZooError as error:
        sys.exit(str(error))
