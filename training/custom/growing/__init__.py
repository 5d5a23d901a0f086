"""Growing a model: pictures that a service kept and its clients told the truth about are learned too."""
