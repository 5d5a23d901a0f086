"""Glimpse beside other servers of the same models: `make bench`, docs/benchmarks.md.

Every server is started, asked for right answers, loaded by the same compiled generators and stopped, one
after the other and round after round, so that whatever the machine does meanwhile hits all of them alike.
What counts is ratios within a round.
"""
