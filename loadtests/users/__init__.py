"""Locust users on the service: their number, statistics and report."""
