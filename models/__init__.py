"""What a served model is: its card, its view, its file. Imports neither torch nor bentoml."""
