"""The exposition: drift as registered last, and nothing of workers that are dead."""

import os
import subprocess
import sys

from service.monitoring import metrics
from service.monitoring.drift import DriftReport
from service.monitoring.shared.folder import SHARED_FOLDER, remove_files_of_dead_workers


def drift_lines() -> list[str]:
    lines = metrics.exposition().decode().splitlines()
    return [line for line in lines if line.startswith("glimpse_drift_")]


def test_the_drift_registered_last_is_shown(monkeypatch):
    monkeypatch.delenv(SHARED_FOLDER, raising=False)
    metrics.register_drift(lambda: {"old": DriftReport(3, 0.5, {})})
    metrics.register_drift(lambda: {"new": DriftReport(7, None, {"answer": 0.25, "familiarity": None})})
    shown = drift_lines()
    metrics.register_drift(dict)

    assert shown == [
        'glimpse_drift_answers{model="new"} 7.0',
        'glimpse_drift_index{facet="answer",model="new"} 0.25',
    ]
    assert drift_lines() == []


def test_files_of_dead_workers_are_removed(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in (f"gauge_livesum_{dead.pid}.db", f"gauge_livesum_{os.getpid()}.db", f"other_{dead.pid}.db"):
        (tmp_path / name).touch()
    remove_files_of_dead_workers(tmp_path, "gauge_live*.db")

    assert {file.name for file in tmp_path.iterdir()} == {
        f"gauge_livesum_{os.getpid()}.db", f"other_{dead.pid}.db",
    }  # fmt: skip
