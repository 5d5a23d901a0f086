"""The review questions of the lectures, a module for each group of them."""
