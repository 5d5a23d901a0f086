"""A small framework in NumPy: networks whose every gradient is written by hand.

The lectures build a classifier of digits in NumPy before they build it in PyTorch. Here are its parts, each
with its derivative beside it: `layers`, `activations`, `convolution`; `losses`; `optimisers`. `network`
chains them, `templates` is the lectures' first learner in its own notation, and `gradients` compares every
derivative with central differences. Batches come first; float64 to check gradients, float32 to train.
"""
