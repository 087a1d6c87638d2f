"""The Hugging Face form of a model: LlamaForCausalLM, safetensors, tokenizer files; out of a checkpoint and into one.

`layout` has the names of the tensors and `llama` config.json; `weights` moves the tensors, `tokenizer` and `card` write
their files, `folder` makes them appear at once. `export` and `importing` are the commands; what such a model writes is
the room engine's.
"""
