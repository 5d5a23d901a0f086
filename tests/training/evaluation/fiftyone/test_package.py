"""What the real FiftyOne package makes of the datasets, in an environment of its own."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from loadtests.server import REPO
from tests.training.evaluation.fiftyone.conftest import Written
from training.evaluation.fiftyone.dataset import read_samples

ENVIRONMENT = REPO / ".venv-fiftyone"
GET = "make .venv-fiftyone/ready"
MONGOD = "lib/python3*/site-packages/fiftyone/db/bin/mongod"


READ = """
import json, sys
from pathlib import Path
import fiftyone
from training.evaluation.fiftyone.dataset import register
answers = {}
for name in ("digits", "cars"):
    folder = Path(sys.argv[1]) / name
    for time in range(2):
        register(folder.resolve(), name)
    dataset = fiftyone.load_dataset(name)
    kind = fiftyone.types.FiftyOneDataset
    dataset.export(export_dir=str(Path(sys.argv[1]) / (name + "-again")), dataset_type=kind, progress=False)
    key = "label" if name == "digits" else "value"
    answers[name] = {
        "size": len(dataset),
        "persistent": dataset.persistent,
        "truth": dataset.values(f"ground_truth.{key}"),
        "predictions": dataset.values(f"prediction.{key}"),
        "unfamiliar": len(dataset.match(fiftyone.ViewField("familiar") == False)),
        "pictures": [Path(path).is_file() for path in dataset.values("filepath")],
    }
digits = fiftyone.load_dataset("digits")
answers["digits"]["logits"] = [row.tolist() for row in digits.values("prediction.logits")]
results = digits.evaluate_classifications("prediction", gt_field="ground_truth")
answers["digits"]["accuracy"] = results.metrics()["accuracy"]
results = fiftyone.load_dataset("cars").evaluate_regressions("prediction", gt_field="ground_truth")
answers["cars"]["mae"] = results.metrics()["mean_absolute_error"]
Path(sys.argv[1], "answers.json").write_text(json.dumps(answers, default=float))
"""


@pytest.fixture(scope="module")
def read_by_fiftyone(digits: Written, cars: Written, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the real package read, and what it wrote of it again."""
    if not (ENVIRONMENT / "bin" / "python").exists():
        pytest.skip(f"fiftyone is not installed: {GET}")
    if not any(ENVIRONMENT.glob(MONGOD)) and "FIFTYONE_DATABASE_URI" not in os.environ:
        pytest.skip("mongod is not installed: make .venv-fiftyone/ready")
    folder = tmp_path_factory.mktemp("fiftyone")
    for name, written in (("digits", digits), ("cars", cars)):
        (folder / name).symlink_to(written.folder)
    environment = os.environ | {
        "HOME": str(folder),
        "FIFTYONE_DO_NOT_TRACK": "true",
        "FIFTYONE_DATABASE_DIR": str(folder / "database"),
        "FIFTYONE_DATABASE_VALIDATION": "false",
    }
    done = subprocess.run(
        [ENVIRONMENT / "bin" / "python", "-c", READ, folder],
        cwd=REPO, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "cars"])
def test_fiftyone_reads_and_writes_every_field_again(name, read_by_fiftyone, request):
    written = request.getfixturevalue(name)
    again = read_by_fiftyone / f"{name}-again"
    own = ("_dataset_id", "created_at", "last_modified_at")
    samples = [
        {field: value for field, value in sample.items() if field not in own}
        for sample in read_samples(again)
    ]

    assert samples == read_samples(written.folder)
    ours, theirs = (json.loads((folder / "metadata.json").read_text()) for folder in (written.folder, again))
    assert theirs["info"] == ours["info"]
    assert theirs["default_classes"] == ours["default_classes"]
    declared = {field["name"]: field["ftype"] for field in theirs["sample_fields"]}
    assert {field["name"]: field["ftype"] for field in ours["sample_fields"]}.items() <= declared.items()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "cars"])
def test_fiftyone_sees_what_was_meant(name, read_by_fiftyone, request):
    written = request.getfixturevalue(name)
    answers = json.loads((read_by_fiftyone / "answers.json").read_text())[name]

    assert answers["size"] == len(written.examples)
    assert answers["persistent"]
    assert all(answers["pictures"])
    threshold = written.model.card.familiarity_threshold
    assert answers["unfamiliar"] == (written.outputs["familiarity"] < threshold).sum()
    targets = written.examples.targets
    if name == "cars":
        value = written.outputs["value"].astype(float)
        assert answers["truth"] == targets.tolist()
        assert answers["predictions"] == value.tolist()
        assert answers["mae"] == pytest.approx(np.abs(value - targets).mean())
        return
    probabilities = written.outputs["probabilities"]
    assert answers["truth"] == [str(target) for target in targets]
    assert answers["predictions"] == [str(told) for told in probabilities.argmax(axis=1)]
    assert np.exp(answers["logits"]) == pytest.approx(probabilities, abs=1e-6)
    assert answers["accuracy"] == pytest.approx((probabilities.argmax(axis=1) == targets).mean())
