"""How a model is learned: data, networks, the loop, calibration, export. Never imported by serving."""

import os

# Before torch loads OpenMP: idle threads sleep instead of spinning, so that two trainings, or a training and
# a test run, do not stall each other on a few cores (docs/log.md).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
