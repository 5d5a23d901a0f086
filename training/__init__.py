"""How a model is learned: data, networks, the loop, calibration, export. Never imported by serving."""
