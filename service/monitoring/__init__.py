"""What is known about a running service: metrics, traces, logs, drift, the prediction log."""
