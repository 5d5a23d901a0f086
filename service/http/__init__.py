"""Bytes on the wire: connections, bodies, forms, and the limits of each."""
