"""From the bytes of a picture to a model's outputs: decode, batch, run, within limits."""
