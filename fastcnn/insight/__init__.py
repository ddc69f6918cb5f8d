"""What a network is like: summary, cost, receptive field, size rules, pictures, what it needs."""
