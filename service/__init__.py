"""How a model answers over HTTP. Imports models, bentoml and onnxruntime; never torch."""
