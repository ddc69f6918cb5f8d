"""What all rooms use: checks of what users pass, arrays, tables, errors with fields. It knows no networks."""
