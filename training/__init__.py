"""How models are trained, evaluated and exported. Serving never imports it."""

import os

# Before torch loads OpenMP: idle threads sleep instead of spinning, so that two trainings, or a training and
# a test run, do not stall each other on a few cores (docs/log.md).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
