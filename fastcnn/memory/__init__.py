"""Memory: reports of where the bytes of a plan go, their picture, and budgets."""
