"""Bodies of requests: read within limits, whatever form they come in."""
