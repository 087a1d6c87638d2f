"""`codetitan plan`: what a configuration holds, sends and takes on N GPUs, before it is launched. Needs no GPU.

`gpus` are the known devices, `topology` says which degrees leave a node, `trace` runs the trainer's own model on tensors
without storage and writes down what each part allocates, computes and sends (`fused` stands for the compiler), `schedule`
plays a pipeline, `estimate` puts these together, `report` and `search` are what the command shows.
"""
