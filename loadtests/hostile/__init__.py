"""Hostile input: files that lie, malformed requests, and many of them."""
