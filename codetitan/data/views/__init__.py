"""The data for people's eyes and for comparison: `codetitan data digest`, `inspect` and `stats`. Imports `rows/`."""
