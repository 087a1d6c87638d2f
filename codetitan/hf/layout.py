"""The names and sizes of a model's tensors, ours beside Hugging Face's. No torch here.

Our rotation is the cos/sin form (`rotate_half`), which is Hugging Face's: no tensor has to be permuted.
"""

from codetitan.models.code.shape import Flavor

_LAYER = {
    "attention.qkv_linear.wq.weight": "self_attn.q_proj.weight",
    "attention.qkv_linear.wk.weight": "self_attn.k_proj.weight",
    "attention.qkv_linear.wv.weight": "self_attn.v_proj.weight",
    "attention.wo.weight": "self_attn.o_proj.weight",
    "feed_forward.w1.weight": "mlp.gate_proj.weight",
    "feed_forward.w3.weight": "mlp.up_proj.weight",
    "feed_forward.w2.weight": "mlp.down_proj.weight",
    "attention_norm.weight": "input_layernorm.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
}
EMBEDDING, HEAD = "tok_embeddings.weight", "lm_head.weight"


def names(shape: Flavor) -> dict[str, str]:
    """Returns our name → Hugging Face's of every tensor, in the order of the model; of tied embeddings there is one."""
    pairs = {EMBEDDING: "model.embed_tokens.weight"}
    for layer in range(shape.n_layers):
        pairs |= {f"layers.{layer}.{ours}": f"model.layers.{layer}.{theirs}" for ours, theirs in _LAYER.items()}
    pairs["norm.weight"] = "model.norm.weight"
    return pairs if shape.tie_embeddings else pairs | {HEAD: "lm_head.weight"}


def sizes(shape: Flavor) -> dict[str, tuple[int, ...]]:
    """Returns our name → size of every tensor of `names`; weights are (outputs, inputs)."""
    heads, kv_heads = shape.n_heads * shape.head_width, shape.n_kv_heads * shape.head_width
    layer = {
        "attention.qkv_linear.wq.weight": (heads, shape.dim),
        "attention.qkv_linear.wk.weight": (kv_heads, shape.dim),
        "attention.qkv_linear.wv.weight": (kv_heads, shape.dim),
        "attention.wo.weight": (shape.dim, heads),
        "feed_forward.w1.weight": (shape.ffn_dim, shape.dim),
        "feed_forward.w3.weight": (shape.ffn_dim, shape.dim),
        "feed_forward.w2.weight": (shape.dim, shape.ffn_dim),
        "attention_norm.weight": (shape.dim,),
        "ffn_norm.weight": (shape.dim,),
    }
    whole = {EMBEDDING: (shape.vocab_size, shape.dim), "norm.weight": (shape.dim,), HEAD: (shape.vocab_size, shape.dim)}
    return {name: whole[name] if name in whole else layer[name.split(".", 2)[2]] for name in names(shape)}
