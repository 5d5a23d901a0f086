"""The training of networks in NumPy, for recipes whose gradients are written by hand."""
