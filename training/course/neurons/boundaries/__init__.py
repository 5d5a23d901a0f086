"""Decision boundaries of lab neuron: two inputs, so that every decision can be drawn."""
