"""What the lab on metrics measures: detectors at a threshold, and a network that grows too sure."""
