"""PNG and JPEG read by OpenCV, where that gives what Pillow gives."""
