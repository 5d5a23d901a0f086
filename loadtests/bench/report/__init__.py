"""The report of the benchmark: medians and ratios, goals, tables and a chart."""
