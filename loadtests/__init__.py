"""Load on a real server, with real answers checked."""
