"""How good models are: metrics, plots, cross-validation, and the service's prediction log."""
