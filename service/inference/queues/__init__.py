"""Where items wait for their turn: on the event loop, for a decoding thread, for a batch."""
