"""Labs on what a network is made of: neurons, graphs, layers, shapes."""
