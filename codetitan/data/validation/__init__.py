"""From held-out documents to the samples on which a run is measured, each token with the group that it counts for.

`find` chooses the documents and compares them with the training's, `gold` reads solutions of problems, `samples` makes
batches of both. The room imports the others of `data/`; it serves no training and has no state.
"""
