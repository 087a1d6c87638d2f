"""Text to token ids: `encoding` opens a tokenizer of any kind, `code_tokenizer` gives it the sentinels of a dialect.

Imports no torch; of codetitan, `data/pieces/dialects` and, to train one, `data/sources/`.
"""
