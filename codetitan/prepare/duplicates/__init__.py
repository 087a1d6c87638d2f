"""Of documents that are the same, or nearly, the best one stays: for corpora that do not fit into memory.

`stages` has the order in which the other files are run. The room imports `data`'s shingles and MinHash, and NumPy.
"""
