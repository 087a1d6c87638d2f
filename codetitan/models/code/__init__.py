"""The code family on torchtitan's parts: one decoder, whose blocks are what a flavor says that they are made of.

`shape` has what can be said and the table of tensors, `flavors` and `published` the named shapes. `spec` builds a
model, `sharding` splits it, `initial_values` fills it; `model` is the decoder, and `parallelize` applies the plan.
"""
