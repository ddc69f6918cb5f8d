"""Networks made ready to run: programs, tuning, profiles, threads."""
