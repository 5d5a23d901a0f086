"""The commands of `python -m training`.

What a command works with is imported when it runs: torch and matplotlib take seconds that `--help` has not.
"""
