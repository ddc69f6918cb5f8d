"""Helpers that all rooms use: checks of arguments, array types, tables, errors with fields. Nothing here knows networks."""
