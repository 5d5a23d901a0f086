"""How a model answers over HTTP. Imports models, bentoml and onnxruntime, never torch."""

import os

# BentoML tells its makers of a service that starts, builds or ends, unless this is set.
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
