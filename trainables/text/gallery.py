"""Pictures of a language model for the report: what it writes, and which characters surprise it."""

import html
import math

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor

from results.picture import Picture
from trainables.text.continuation import continuation
from trainables.text.data import TextWindows
from trainables.text.transformer import LanguageModel

PROMPTS = 3
LENGTH = 300  # characters that the model writes
TEMPERATURE = 0.8
SURPRISING = 8  # windows of which each character is shown
MOST_BITS = 8.0  # of the darkest shade
STYLE = "white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 0 12px"


def written(module: L.LightningModule, data: L.LightningDataModule) -> list[Picture]:
    """Continuations of validation windows, and validation windows with each character shaded by its bits."""
    assert isinstance(module, LanguageModel) and isinstance(data, TextWindows)
    windows = data.split("val")
    prompts = windows[:: max(1, len(windows) // PROMPTS)][:PROMPTS]
    texts = "".join(written_text(module, prompt, number) for number, prompt in enumerate(prompts))
    caption = f"The beginning, in bold, is from the validation split; the model wrote {LENGTH} characters."
    shown = windows[:: max(1, len(windows) // SURPRISING)][:SURPRISING]
    lines = "".join(f'<pre style="{STYLE}">{shaded(module, window)}</pre>' for window in shown)
    mean = "The darker a character, the more bits it cost; the mean over all windows is val/bits."
    return [
        Picture("Continued by the model.", caption, html=texts),
        Picture("Surprise.", f"Windows of the validation split. {mean}", html=lines),
    ]


def written_text(module: LanguageModel, prompt: Tensor, seed: int) -> str:
    """A prompt (T,) and its continuation, as HTML."""
    beginning = decoded(module, prompt)
    text = continuation([module], beginning, LENGTH, TEMPERATURE, seed)
    return f'<pre style="{STYLE}"><b>{html.escape(beginning)}</b>{html.escape(text)}</pre>'


def shaded(module: LanguageModel, window: Tensor) -> str:
    """The characters of a window (T,), each shaded by its bits, as HTML."""
    with torch.no_grad():
        bits = F.cross_entropy(module(window[None, :-1])[0], window[1:], reduction="none") / math.log(2)
    shades = [0, *(round(80 * min(1, cost / MOST_BITS)) for cost in bits.tolist())]  # the first is given
    return "".join(
        f'<span style="background: color-mix(in srgb, var(--best) {shade}%, transparent)">'
        f"{html.escape(character)}</span>"
        for character, shade in zip(decoded(module, window), shades, strict=True)
    )


def decoded(module: LanguageModel, characters: Tensor) -> str:
    """The text of characters (T,)."""
    return "".join(module.hparams["vocabulary"][number] for number in characters.tolist())
