"""Losses, optimizers, the trainer, and fit with its checkpoints."""
