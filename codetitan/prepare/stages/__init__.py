"""The stages of a preparation, in order: `read` raw code, gather `facts` of licences, `judge` each file, find
duplicates (the room `duplicates`), `scatter` what is left over the shards, `write` these.

Each writes tables and counts; `engine/` runs them. What one stage hands on is in its folder, and nowhere else.
"""
