"""Data sets: which files, decoded once, parts of them. Knows no network."""
