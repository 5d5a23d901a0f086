"""Pictures and image files for tests."""
