"""Training: losses, optimizers, the trainer, and fit with its checkpoints."""
