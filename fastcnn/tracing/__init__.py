"""Symbolic values, and the graph that they build while forward() runs."""
