"""The code family: RMSNorm, SwiGLU, RoPE (cos/sin form), grouped- or multi-query attention, on torchtitan's parts.

`flavors` are the sizes, `model` the decoder, `attention` its CPU kernel, `init` the initial values,
`parallelize` the plan, `spec` the ModelSpec that torchtitan trains.
"""
