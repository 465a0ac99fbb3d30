"""The transformer block of vision transformer and language model."""

from typing import final

import torch
from torch import Tensor, nn


@final
class Block(nn.Module):
    """Self-attention and two dense layers, each after a layer norm and added to its input.

    Maps (B, T, width) to (B, T, width). With `causal` a position attends to itself and those before it.
    Vaswani et al., NeurIPS 2017, with the norms first (Xiong et al., ICML 2020).

    Raises ValueError if `width` is no multiple of `heads`, or for a `dropout` outside [0, 1).
    """

    def __init__(self, width: int, heads: int, dropout: float, *, causal: bool = False) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width is {width}, but must be a multiple of heads, {heads} (param.width=...)")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is {dropout}, but must be in [0, 1) (param.dropout=...)")
        self.heads, self.causal = heads, causal
        self.norm, self.values, self.mix = (
            nn.LayerNorm(width),
            nn.Linear(width, 3 * width),
            nn.Linear(width, width),
        )
        self.dense = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.mix(self.attention(self.norm(x))))
        return x + self.dropout(self.dense(x))

    def attention(self, x: Tensor) -> Tensor:
        """The mean of all values that a position attends to, weighted by attention."""
        # (B, T, 3 * width) -> 3 times (B, heads, T, width of a head)
        query, key, value = self.values(x).unflatten(-1, (3, self.heads, -1)).transpose(1, 3).unbind(2)
        # Written out: PyTorch's fused attention has no rule for vmap, by which packs train.
        scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
        if self.causal:
            later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=x.device).triu(1)
            scores = scores.masked_fill(later, -torch.inf)
        return (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
