"""Glimpse beside other servers of its models: `make bench`, docs/benchmarks.md.

Every server is started, checked for correct responses, loaded by the same compiled generators and stopped,
one after the other and round after round, so that changes of the machine affect all of them alike.
The ratios within a round are what counts.
"""
