"""Locust users on the service: how many there are, what they measure and the report on it."""
