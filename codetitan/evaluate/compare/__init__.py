"""`codetitan compare`: runs and evaluations side by side. Reads what training and `evaluate` wrote; starts no model.

`runs` reads a folder, `agreement` says whether numbers can be compared, `table` and `plots` show them, `write` is all
of it. It imports `evaluate/results`, `scores` and `report`; neither torch nor training.
"""
