"""Which models are served, and how that changes while the service runs."""
