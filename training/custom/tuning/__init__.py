"""Fine-tuning the last blocks of a trunk."""
