"""A document becomes pieces of tokens: metadata in front, a hole cut, in a dialect's layout; `maker` puts it together.

Pure functions of (seed, document). Imports `tokenizer/`, `document`, `language` and `order`; no sources, no rows.
"""
