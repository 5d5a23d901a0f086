"""What a served model is: its card, its view, its file. Imports neither torch nor bentoml."""

import os

# onnxruntime's Linux wheels send usage events from 1.29 on unless this is set before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
