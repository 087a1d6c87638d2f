"""Pieces become the rows of batches: `mixture` chooses documents, `packing` fills samples, `row` is one row's stream.

`loader` makes batches of rows and owns their state, `identity` says what a state belongs to. Imports `sources/` and
`pieces/`.
"""
