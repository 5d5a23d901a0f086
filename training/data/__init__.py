"""Data sets as Splits: sources, loaders, augmentation, and what is drawn here."""
