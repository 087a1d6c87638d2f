"""Near-duplicates of one another: signatures, then rounds of candidates, their similarities, and what stays.

In the order in which they are run: `signatures`, `candidates`, `verify`, `choose`. The room imports the sorted runs and
ranks beside it, `data`'s shingles and MinHash, and NumPy.
"""
