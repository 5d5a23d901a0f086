"""Architectures, a pretrained trunk, kernel ridge regression, networks in NumPy."""
