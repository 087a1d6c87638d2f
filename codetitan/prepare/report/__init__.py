"""What became of the raw code, for people: `tally` has the counts, `markdown` and `page` show them, `why` answers for
one file, `diff` holds two outcomes against each other.

It reads what the stages counted and wrote, and judges nothing.
"""
