"""Tests of the load tests, the benchmark and the GPU check."""
