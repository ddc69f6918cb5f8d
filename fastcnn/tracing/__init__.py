"""Symbolic values, and the graph that they leave while forward() runs."""
