"""torchtitan's trainer with our parts: data, metrics, optimizer, checkpoints that say what they are, exports, compile.

`trainer` is the root of the configuration. Imports `data/` and `models/`; `hf/` and `plan/` stand above.
"""
