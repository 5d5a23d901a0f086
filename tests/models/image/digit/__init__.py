"""Tests of how the digit view finds a digit."""
