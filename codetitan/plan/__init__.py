"""`codetitan plan`: what a configuration holds, sends and takes on N GPUs, before it is launched. Needs no GPU.

`gpus` are the known devices; `topology` says which degrees leave a node. `trace` runs the trainer's own model (that of
`dry_run`) on tensors without storage; a `ledger` writes down what each part allocates, computes and sends (`fused`
stands for the compiler, `roofline` for the clock). `schedule` plays a pipeline, `estimate` puts these together,
`search` compares settings, and `report` is what the `command` shows.
"""
