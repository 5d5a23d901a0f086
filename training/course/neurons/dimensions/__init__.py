"""Shapes of lab shapes: what goes wrong with them, and those of the served networks."""
