"""What became of the raw code, for people: `tally` has the counts, `markdown` shows them, `why` answers for one file.

It reads what the stages counted and wrote, and judges nothing.
"""
