"""Folders of drawn pictures, to try the commands for one's own with."""
