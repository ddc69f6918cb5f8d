"""Insight into a network: summary, cost, receptive field, size rules, pictures, memory needs."""
