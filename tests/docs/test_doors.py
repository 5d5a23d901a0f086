"""Every door that the README and docs/clients.md show is gone through, with the clients that they name."""

import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from loadtests.server import REPO, SERVING, serving
from models.model import ZOO
from tests.support.clients.foreign_clients import run_client
from tests.support.console import steps

README = (REPO / "README.md").read_text()
CLIENTS = (REPO / "docs" / "clients.md").read_text()
SHELL = CLIENTS.partition("\n## From a shell\n")[2].partition("\n## ")[0]
DOORS = CLIENTS.partition("\n## Doors\n")[2]

ROWS = dict(
    re.findall(r"^\| ([^|]+) \| `(.+)` \|$", README.partition("| door |")[2].partition("\n\n")[0], re.M)
)
BLOCKS = re.findall(r"^```python\n(.+?)^```", DOORS, re.MULTILINE | re.DOTALL)
STEPS = [*steps(SHELL), *steps(DOORS)]

ROUTES = {"AIP_PREDICT_ROUTE": "/vertex/predict", "AIP_HEALTH_ROUTE": "/vertex/health"}

PREPARED = """
import json
from base64 import b64encode
from pathlib import Path
{imports}
b64 = b64encode(Path("docs/seven.jpg").read_bytes()).decode()
shown = {line}
print(json.dumps(getattr(shown, "text", None) or str(getattr(shown, "predictions", shown))))
"""

IMPORTS = {
    "tritonclient": "import tritonclient.http",
    "requests": "import requests",
    "InferenceClient": "from huggingface_hub import InferenceClient",
    "ScoringServerClient": "from mlflow.pyfunc.scoring_server.client import ScoringServerClient",
}


def _client(line: str) -> str:
    """The name that a line of Python begins with."""
    return re.split(r"\W", line)[0]


@pytest.fixture(scope="module")
def vertex(tmp_path_factory) -> Iterator[str]:
    """A server to which Vertex AI has said its routes."""
    with pytest.MonkeyPatch.context() as environment:
        for name, route in ROUTES.items():
            environment.setenv(name, route)
        with serving(ZOO, tmp_path_factory.mktemp("vertex") / "log", workers="1") as url:
            yield url


def asked(command: str, url: str) -> str:
    """What a command prints that asks the server at a URL."""
    command = command.replace("http://localhost:3000", url).replace("localhost:3000", url)
    command = re.sub(r"\bcurl ", "curl --silent --show-error --fail ", command)
    environment = {**os.environ, **ROUTES}
    done = subprocess.run(["bash", "-c", command], cwd=REPO, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.command.split()[-1])
def test_commands_print_what_is_shown(server, step):
    step.assert_shown(asked(step.command, server))


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: re.findall(r"(?:import|from) (\w+)", block)[-1])
def test_clients_get_answers(server, block):
    script = block.replace("http://localhost:3000", server).replace(
        "localhost:3000", server[len("http://") :]
    )
    told = run_client(f"import json\n{script.replace('print(', 'print(json.dumps(str(', 1).rstrip()}))")

    assert "7" in told


@pytest.mark.parametrize("door", [name for name, line in ROWS.items() if line.startswith(("curl", ".venv"))])
def test_lines_of_a_shell(vertex, door):
    assert '"label": "7"' in asked(ROWS[door], vertex)


@pytest.mark.slow
@pytest.mark.parametrize("door", [name for name, line in ROWS.items() if _client(line) in IMPORTS])
def test_lines_of_foreign_clients(server, door):
    line = ROWS[door].replace("http://localhost:3000", server)
    host, _, port = server.removeprefix("http://").partition(":")
    line = line.replace("localhost:3000", f"{host}:{port}").replace('"localhost", 3000', f'"{host}", {port}')
    imports = IMPORTS[_client(line)]
    told = run_client(PREPARED.format(imports=imports, line=line))

    assert "digits-cnn" in told or re.search(r"""["']label["'],?:? ["']7["']|label='7'""", told), told


def test_the_line_of_bentoml(server):
    line = ROWS["BentoML"].replace("http://localhost:3000", server)
    script = f"import bentoml\nfrom pathlib import Path\nprint({line})"
    done = subprocess.run(
        [SERVING / "python", "-c", script], cwd=REPO, capture_output=True, text=True, check=True
    )

    assert "7" in done.stdout


@pytest.mark.slow
def test_the_line_of_openapi(server, tmp_path):
    program = REPO / ".venv-clients" / "bin" / "openapi-python-client"
    if not program.exists():
        pytest.skip("the foreign clients are not installed: make .venv-clients/ready")
    command = (
        ROWS["OpenAPI"]
        .replace("openapi-python-client", str(program))
        .replace("http://localhost:3000", server)
    )
    subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, check=True)

    assert list(tmp_path.glob("*/*/api/**/classify.py"))


def test_every_door_is_tried():
    tried = {
        name for name, line in ROWS.items() if line.startswith(("curl", ".venv")) or _client(line) in IMPORTS
    }

    assert tried | {"BentoML", "OpenAPI"} == set(ROWS)
    assert len(ROWS) == 9
    assert len(BLOCKS) == 2
