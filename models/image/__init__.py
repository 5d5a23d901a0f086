"""Images: bytes to a picture (decode), a picture to a network's pixels (views)."""
