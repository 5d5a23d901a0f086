"""What the README and docs/clients.md show is run, and their figures are those of the zoo."""

import json
import re
import shlex
import subprocess

import pytest

from loadtests.server import REPO, SERVING
from models.model import find_model_files, open_model
from training.export.model_card import zoo_table

README = (REPO / "README.md").read_text()
CLIENTS, DOORS = (REPO / "docs" / "clients.md").read_text().split("\n## Doors\n")
PAGES = {"README.md": README, "docs/clients.md": CLIENTS.partition("\n## From a shell\n")[0]}
CURL = re.compile(r"^\$ (curl .+)$", re.MULTILINE)
CURLS = [pytest.param(command, id=f"{name}-{i}") for name, page in PAGES.items()
         for i, command in enumerate(CURL.findall(page))]  # fmt: skip


def code(page: str, language: str) -> str:
    block = re.search(rf"^```{language}\n(.+?)^```", page, re.MULTILINE | re.DOTALL)
    assert block
    return block[1]


@pytest.mark.parametrize("command", CURLS)
def test_curl_lines_work(server, command):
    arguments = shlex.split(command.replace("localhost:3000", server))
    done = subprocess.run([*arguments, "-sS", "--fail"], cwd=REPO, capture_output=True, text=True, check=True)

    if "batch" in command:
        answers = json.loads(done.stdout)["answers"]
        assert len(answers) == 2
        assert answers[0]["label"] == "7"
    elif "classify" in command:
        assert json.loads(done.stdout)["label"] == "7"


def test_response_shown_is_the_real_one(server):
    shown = json.loads(code(README, "json"))
    first = CURL.findall(README)[0]
    arguments = shlex.split(first.replace("localhost:3000", server))
    real = json.loads(subprocess.run([*arguments, "-sS"], cwd=REPO, capture_output=True).stdout)

    assert set(shown) == set(real)
    assert [shown[key] for key in ("label", "model", "version")] == [
        real[key] for key in ("label", "model", "version")
    ]


def test_python_block_works(server):
    block = code(CLIENTS, "python").replace("http://localhost:3000", server)
    done = subprocess.run(
        [SERVING / "python", "-c", block], cwd=REPO, capture_output=True, text=True, check=True
    )

    assert "'label': '7'" in done.stdout or "label='7'" in done.stdout


def test_table_of_the_zoo_is_current():
    table = zoo_table([open_model(path).card for path in find_model_files()])

    assert table in README, f"put this into the README:\n{table}"
