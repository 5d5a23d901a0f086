"""A user's own pictures, as training data: read, opened, checked, and put into folds."""
