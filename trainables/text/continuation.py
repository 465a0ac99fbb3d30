"""Continues a text character by character, by one language model or several."""

from collections.abc import Sequence

import torch
from torch import Tensor

from trainables.text.characters import encode
from trainables.text.transformer import LanguageModel


@torch.inference_mode()
def continuation(
    members: Sequence[LanguageModel], prompt: str, length: int, temperature: float, seed: int
) -> str:
    """The `length` characters that follow a prompt, drawn at random by the mean prediction of the members.

    The members, in evaluation mode, have the same vocabulary and context. At most `context` characters are
    looked at. `temperature` (> 0) scales the logits: below 1 likely characters become likelier. The unknown
    character is never drawn.
    """
    vocabulary, context = members[0].hparams["vocabulary"], members[0].hparams["context"]
    generator = torch.Generator().manual_seed(seed)
    characters = torch.from_numpy(encode(prompt, vocabulary))
    if not len(characters):
        characters = torch.zeros(1, dtype=torch.int64)  # a beginning that says nothing
    start = len(characters)
    for _ in range(length):
        probabilities = predicted(members, characters[-context:], temperature)
        following = torch.multinomial(probabilities, 1, generator=generator)
        characters = torch.cat([characters, following])
    return "".join(vocabulary[number] for number in characters[start:].tolist())


def predicted(members: Sequence[LanguageModel], characters: Tensor, temperature: float) -> Tensor:
    """The mean probability of each character (vocabulary,) after characters (T,); 0 of the unknown one."""
    of_members = []
    for member in members:
        logits = member(characters[None])[0, -1] / temperature
        logits[0] = -torch.inf
        of_members.append(logits.softmax(0))
    return torch.stack(of_members).mean(0)
