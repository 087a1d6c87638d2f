"""The classes of transformers that a model is imported from and exported to: a short declaration each, named after it.

`architecture` is what is declared, `table` which class a shape is exported to, `config_json`, `rotation` and `windows`
move config.json, `tensors` has the names. Imports the shape and rotation of models/code; no torch here.
"""
