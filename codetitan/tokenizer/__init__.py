"""Text to token ids: `encoding` runs a tokenizer.json with tiktoken, `code_tokenizer` is its torchtitan side."""
