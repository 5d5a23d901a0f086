"""What /docs.json says of the protocols that take rows: a module for each, and one for what they share."""
