"""Running: compiled networks, tuning, profiles, threads."""
