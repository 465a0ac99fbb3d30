"""A decoder-only transformer that predicts the next character of a text (Radford et al., GPT-2, 2019)."""

import math
from typing import Any, final

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.attention import Block
from trainables.text.prepare import CONTEXT

Batch = tuple[Tensor, Tensor]  # characters as numbers, and the characters that follow, both (B, context)
BETAS = (0.9, 0.99)
INITIAL_SCALE = 0.02  # of embeddings


@final
class LanguageModel(L.LightningModule):
    """Predicts each character from up to `context` characters before it.

    `vocabulary` are the known characters (characters.py). Validation measures `bits` per character, -log2 of
    the probability that the model gives to each character, and `loss`, the same in nats. `schedule` is that
    of the learning rate: `constant`, or `cosine`, which rises in the share `warmup` of all steps and then
    falls to almost 0 (Smith and Topin, 2018).

    Raises ValueError for another `schedule`, and as Block does.
    """

    def __init__(
        self,
        vocabulary: str,
        context: int = CONTEXT,
        lr: float = 3e-3,
        weight_decay: float = 1e-1,
        schedule: str = "cosine",
        warmup: float = 0.1,
        width: int = 64,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if schedule not in ("constant", "cosine"):
            raise ValueError(f"schedule is {schedule!r}, but must be constant or cosine (param.schedule=...)")
        self.save_hyperparameters()
        self.embedding = nn.Embedding(len(vocabulary), width)
        self.positions = nn.Parameter(INITIAL_SCALE * torch.randn(context, width))
        self.blocks = nn.Sequential(*(Block(width, heads, dropout, causal=True) for _ in range(depth)))
        self.last = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, len(vocabulary)))
        nn.init.normal_(self.embedding.weight, std=INITIAL_SCALE)

    def forward(self, characters: Tensor) -> Tensor:
        """Logits (B, T, vocabulary) of the next character after each of (B, T); T is at most `context`."""
        x = self.embedding(characters) + self.positions[: characters.shape[1]]
        logits: Tensor = self.last(self.blocks(x))
        return logits

    def loss(self, batch: Batch) -> Tensor:
        """The mean cross-entropy per character, in nats."""
        characters, following = batch
        return F.cross_entropy(self(characters).flatten(0, 1), following.flatten())

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = self.loss(batch)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        loss = self.loss(batch)
        self.log_dict({"val/loss": loss, "val/bits": loss / math.log(2)})

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self.log("test/bits", self.loss(batch) / math.log(2))

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The logits for a batch."""
        logits: Tensor = self(batch[0])
        return logits

    def configure_optimizers(self) -> Any:
        lr, weight_decay = self.hparams["lr"], self.hparams["weight_decay"]
        optimizer = torch.optim.AdamW(self.parameters(), lr, betas=BETAS, weight_decay=weight_decay)
        if self.hparams["schedule"] == "constant":
            return optimizer
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            lr,
            total_steps=int(self.trainer.estimated_stepping_batches),
            pct_start=self.hparams["warmup"],
            cycle_momentum=False,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
