"""Models of a user's own pictures: from a folder to a served file (docs/your-own-pictures.md)."""
