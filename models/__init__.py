"""What training and serving share: a model's card, view and file.

Imports neither torch nor bentoml.
"""

import os

# From 1.29 on, onnxruntime's Linux wheels send usage events unless this is set before the import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
