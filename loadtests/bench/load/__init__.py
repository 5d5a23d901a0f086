"""The load of the benchmark: request bodies and the generators that send them."""
