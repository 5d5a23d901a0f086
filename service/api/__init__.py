"""The HTTP calls: the edge in front of them, their routes, headers and documentation."""
