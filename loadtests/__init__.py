"""Load tests on a real server that check the responses they get."""
