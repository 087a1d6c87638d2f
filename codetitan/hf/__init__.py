"""The Hugging Face form of a model: config.json, safetensors, tokenizer files; out of a checkpoint and into one.

`architectures` has the classes of transformers that there are, with their config.json and names of tensors; `weights`
writes the tensors and `files` reads them, `tokenizer` and `card` write their files, `folder` makes them appear at once.
`export` and `importing` are the commands; what such a model writes is the room engine's.
"""
