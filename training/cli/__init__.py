"""Pieces of the command line `python -m training`."""
