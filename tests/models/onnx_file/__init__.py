"""Tests of models/onnx_file/."""
