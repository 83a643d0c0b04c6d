"""What an attention layer's own matrices make of hidden states, and of attended values."""

from __future__ import annotations

from diffusers.models.attention_processor import Attention
from jaxtyping import Float
from torch import Tensor


def heads(attn: Attention, hidden: Float[Tensor, "R N C"]) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value [R h N d] of hidden states [R N C]."""
    query, key, value = (
        layer(hidden).unflatten(-1, (attn.heads, -1)).transpose(1, 2) for layer in (attn.to_q, attn.to_k, attn.to_v)
    )
    return (
        (query if attn.norm_q is None else attn.norm_q(query)),
        (key if attn.norm_k is None else attn.norm_k(key)),
        value,
    )


def projected(attn: Attention, attended: Float[Tensor, "R h N d"]) -> Float[Tensor, "R N C"]:
    """Attended values [R h N d] through the layer's output projection: [R N C]."""
    hidden = attended.transpose(1, 2).flatten(2)
    for layer in attn.to_out:
        hidden = layer(hidden)
    return hidden / attn.rescale_output_factor
