"""Images: bytes to a picture (decode), and a picture to the pixels of a network (views)."""
