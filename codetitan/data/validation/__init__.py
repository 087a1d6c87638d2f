"""From held-out documents to the samples on which a run is measured, each token with the group that it counts for.

`find` answers which documents, from the cache or by `corpus`, which reads all of it and compares; `gold` reads
solutions of problems, `samples` makes batches of both, and `cells` says what each of their labels counts for. The room
imports the others of `data/`; it serves no training and has no state.
"""
