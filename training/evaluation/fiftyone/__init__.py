"""The answers of a model as a FiftyOne dataset: look at them, sort, filter and tag them."""
