"""Where the bytes of a plan go: reports, their picture, budgets."""
