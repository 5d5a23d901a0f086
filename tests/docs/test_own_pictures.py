"""docs/your-own-pictures.md is walked: its console blocks are run in order, beside a running service."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from loadtests.server import REPO, serving
from models.model import ZOO, find_model_files, open_model
from tests.support.console import Step, steps
from tests.support.http_calls import CLIENT
from tests.support.log_folder import lines_of
from tests.support.waiting import wait_for
from training.__main__ import app

PAGE = (REPO / "docs" / "your-own-pictures.md").read_text()
WALK, NUMBERS, OPTIONS = re.split(r"^## (?:Numbers|Options of `new`)$", PAGE, flags=re.MULTILINE)
TRAINING = ".venv-dev/bin/python -m training "
EACH = 10
"""Pictures of a class instead of the page's: seconds instead of a minute."""

PLACES = {"samples": (), "check": ("data",), "rm": ("data", "zoo")}
"""Folders that a command is told, instead of those of the repository; new and grow are told all."""

WORD = re.compile(r"[a-z][a-z_-]{2,}")
SHOWN = re.compile(r'"(model|label|familiar|coverage|currency|request_id|truth)": ("[^"]*"|[\w.]+)')


class Reader:
    """Who follows the page, in a place of their own.

    Attributes:
        place: Stands for the root of the repository.
        url: Of the service; empty until the page starts it.
    """

    def __init__(self, place: Path, data: Path) -> None:
        self.place, self.url = place, ""
        self.opened = ExitStack()
        (place / "data").mkdir()
        (place / "docs").symlink_to(REPO / "docs")
        for child in data.iterdir():
            if child.name not in ("custom", "samples", "log"):
                (place / "data" / child.name).symlink_to(child)
        self.zoo.mkdir(parents=True)
        # Something to serve from the start, as in the repository.
        (self.zoo / "digits-linear.onnx").symlink_to(ZOO / "digits-linear.onnx")

    @property
    def zoo(self) -> Path:
        return self.place / "models" / "zoo"

    def follow(self, step: Step) -> None:
        if step.command.startswith(TRAINING):
            self._train(step, shlex.split(step.command.removeprefix(TRAINING)))
        elif step.command.endswith("make run"):
            self.serve(step.command.removesuffix("make run"))
        else:
            self._ask(step)

    def serve(self, environment: str = "") -> None:
        settings = dict(word.split("=") for word in environment.split())
        if log := settings.get("GLIMPSE_PREDICTION_LOG"):
            settings["GLIMPSE_PREDICTION_LOG"] = str(self.place / log)
        named = {name.removeprefix("GLIMPSE_").lower(): value for name, value in settings.items()}
        service = serving(self.zoo, self.place / "server.log", workers="1", **named)
        self.url = self.opened.enter_context(service)

    def _train(self, step: Step, arguments: list[str]) -> None:
        command = arguments[0]
        if command == "samples":
            arguments += ["--each", str(EACH)]
        folders = {"data": "data", "zoo": "models/zoo", "runs": "runs"}
        for option in PLACES.get(command, folders):
            arguments += [f"--{option}", folders[option]]
        done = CliRunner().invoke(app, arguments)

        fails = "error:" in step.shown or (command == "check" and "│" in step.shown)
        assert done.exit_code == fails, done.output
        assert set(WORD.findall(step.shown)) <= set(WORD.findall(done.output)), done.output
        if self.url:
            files = [open_model(path) for path in find_model_files(self.zoo)]
            wait_for({model.card.name: model.card.version for model in files}, self._served)

    def _served(self) -> dict[str, str]:
        return {card["name"]: card["version"] for card in CLIENT.get(f"{self.url}/models").json()["models"]}

    def _ask(self, step: Step) -> None:
        command = step.command.replace("localhost:3000", self.url).replace("curl ", "curl -sS --fail ")
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.place, capture_output=True, text=True, check=True
        )
        answers = [json.loads(answer) for answer in re.findall(r"\{(?:[^{}]|\{[^{}]*\})*\}", done.stdout)]
        shown = [line for line in step.shown.splitlines() if line != "..."]

        assert answers
        for line, answer in zip(shown, answers, strict=False):
            facts = {name: json.loads(value) for name, value in SHOWN.findall(line)}
            assert facts
            assert {name: answer[name] for name in facts} == facts
        if '"familiar"' in step.shown:
            assert {answer["familiar"] for answer in answers} == {'"familiar": true' in step.shown}


@pytest.fixture
def reader(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    reader = Reader(tmp_path, data)
    monkeypatch.chdir(tmp_path)
    with reader.opened:
        yield reader


@pytest.mark.slow
def test_the_walk_leads_from_a_folder_to_a_model_that_has_grown(reader: Reader):
    commands = []
    for step in steps(WALK):
        reader.follow(step)
        commands.append(step.command.removeprefix(TRAINING).split()[0])

    assert commands == ["samples", "check", "new", "GLIMPSE_PREDICTION_LOG=data/log", "new", *2 * ["curl"],
                        *2 * ["for"], "grow", "curl", "rm"]  # fmt: skip
    assert len(lines_of(reader.place / "data" / "log")) == 17


@pytest.mark.slow
def test_the_walk_leads_from_a_table_to_prices(reader: Reader):
    first, *numbers = steps(WALK.partition("## Check")[0] + NUMBERS)
    reader.follow(first)
    reader.serve()
    for step in numbers:
        reader.follow(step)

    card = open_model(reader.zoo / "cars.onnx").card
    assert (card.task, card.unit, card.basis) == ("regression", "EUR", "as drawn")
    assert card.measured.values["median_ape"] < 0.9 * card.measured.baseline["median_ape"]
    assert 0.7 <= card.measured.values["coverage"] <= 1


def test_every_option_of_new_is_on_the_page():
    parameters = typer.main.get_command(app).commands["new"].params
    names = {name for parameter in parameters for name in (*parameter.opts, *parameter.secondary_opts)}
    options = {name for name in names if name.startswith("--")} - {"--data", "--runs"}

    assert options == set(re.findall(r"--[a-z][a-z-]+", OPTIONS))
