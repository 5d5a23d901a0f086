"""Labs on the tools around a training."""
