"""What the workers of one service share: a folder, counters, totals."""
