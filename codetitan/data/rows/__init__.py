"""Pieces become the rows of batches: `mixture` chooses documents, `packing` fills samples, `row` is one row's stream.

`loader` makes batches of rows and owns their state. Imports `sources/` and `pieces/`.
"""
