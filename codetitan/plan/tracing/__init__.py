"""What each part of a step costs: `trace` runs the trainer's own model (that of `dry_run`) on tensors without storage.

A `ledger` writes down what is allocated, computed and sent; `fused` stands for the compiler, `roofline` for the clock.
Imports `training/`, `models/`, and of the plan `gpus` and `topology`.
"""
