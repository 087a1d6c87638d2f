"""`codetitan plan`: what a configuration holds, sends and takes on N GPUs, before it is launched. Needs no GPU.

`gpus` are the known devices; `topology` says which degrees leave a node. Of the parts that `tracing/` measures, a
`stage` runs some, and `schedule` plays a pipeline of stages. From these follow `memory`, `traffic` and, with them, the
`estimate`; `search` compares settings. `report/` is what the `command` shows. Imports `training/`, `config/`, `data/`.
"""
