"""Text to token ids: `encoding` opens a tokenizer of any kind, `code_tokenizer` is its torchtitan side."""
