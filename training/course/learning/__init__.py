"""Labs on how a network learns: batches, rates, surfaces, generalisation, metrics."""
