"""The lab of the framework whose every gradient is written by hand."""
