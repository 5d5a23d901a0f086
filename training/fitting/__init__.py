"""From a recipe and splits to weights: the training loop, transfer learning, tracking, checkpoints."""
