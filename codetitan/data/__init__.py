"""From source files to batches: `sources` hand out documents, `pieces` are made of these, `rows` serve them in batches.

`views` show all of it to people. A room imports the ones before it, `tokenizer/`, `document`, `language`, `order`.
"""
