"""The prediction log: one JSON line per answered picture, and the pictures where asked."""
