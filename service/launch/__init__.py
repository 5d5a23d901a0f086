"""What a start is told, and whether it succeeded."""
