"""Tests of models/image/codecs/: the same as Pillow, or left to it."""
