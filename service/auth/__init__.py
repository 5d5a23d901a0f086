"""Which clients may ask, and how often. Both are unlimited unless a setting says otherwise."""
