"""The README cannot lie: its commands are run and its table is compared with the zoo."""

import json
import re
import shlex
import subprocess

import pytest

from loadtests.server import REPO, SERVING
from models.model import find_model_files, open_model
from service.settings import Settings
from training.export.model_card import zoo_table

README = (REPO / "README.md").read_text()
CURLS = re.findall(r"^\$ (curl .+)$", README, re.MULTILINE)
TARGETS = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.MULTILINE))


def code(language: str) -> str:
    found = re.search(rf"^```{language}\n(.+?)^```", README, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


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


def test_the_answer_shown_is_the_answer_given(server):
    shown = json.loads(code("json"))
    arguments = shlex.split(CURLS[0].replace("localhost:3000", server))
    given = json.loads(subprocess.run([*arguments, "-sS"], cwd=REPO, capture_output=True).stdout)

    assert set(shown) == set(given)
    assert (shown["label"], shown["model"], shown["version"]) == (
        given["label"], given["model"], given["version"],
    )  # fmt: skip


def test_python_block_works(server):
    block = code("python").replace("http://localhost:3000", server)
    done = subprocess.run(
        [SERVING / "python", "-c", block], cwd=REPO, capture_output=True, text=True, check=True
    )

    assert "'label': '7'" in done.stdout


def test_table_of_the_zoo_is_true():
    table = zoo_table([open_model(path).card for path in find_model_files()])

    assert table in README, f"put this into the README:\n{table}"


def test_every_make_target_named_exists():
    named = set(re.findall(r"`(?:PORT=4000 )?make ([a-z-]+)", README)) | set(
        re.findall(r"^\$ make ([a-z-]+)", README, re.MULTILINE)
    )

    assert {"run", "test"} <= named <= TARGETS


def test_files_named_exist():
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (REPO / path).exists(), path


def test_settings_have_a_word_of_explanation():
    source = (REPO / "service" / "settings.py").read_text()
    for name in Settings.model_fields:
        after = source.partition(f"    {name}:")[2]
        assert '"""' in after[:200], name
