"""From weights to a calibrated, verified .onnx file and its model card."""
