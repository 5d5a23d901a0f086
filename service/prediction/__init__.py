"""From pictures to responses: the one call behind every way to ask."""
