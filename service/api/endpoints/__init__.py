"""One module per kind of call, each a function from a request to a response."""
