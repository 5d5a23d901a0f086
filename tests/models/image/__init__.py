"""Tests of models/image/."""
