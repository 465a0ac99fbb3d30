"""Predictor of language models: continues a text."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, final

from spaces.validation import NonNegativeInt, PositiveInt, check_value
from trainables.predictor import Predictor
from trainables.text.continuation import continuation
from trainables.text.prepare import read_file


@final
class TextPredictor(Predictor):
    """Continues a text by `length` characters; an ensemble averages the probabilities of each character.

    `temperature` and `seed` are those of `continuation`.
    """

    options: ClassVar[Mapping[str, Any]] = {"length": 400, "temperature": 0.8, "seed": 0}

    def predict(self, source: Path, out: Path, options: Mapping[str, Any]) -> list[str]:
        """Writes `continuation.txt`: the text in the file `source` and what follows. Returns what follows.

        Raises ValueError for a `length` or `seed` that is no whole number in range, a `temperature` that is
        not above 0, and a file that is no text in UTF-8.
        """
        length, temperature = options["length"], options["temperature"]
        check_value(PositiveInt, "length", length)
        check_value(NonNegativeInt, "seed", options["seed"])
        if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not temperature > 0:
            raise ValueError(f"temperature is {temperature!r}, but must be a number > 0 (temperature=...)")
        prompt = read_file(source)
        text = continuation(self.members, prompt, length, temperature, options["seed"])
        (out / "continuation.txt").write_text(prompt + text, encoding="utf-8")
        return [text, f"{length} characters after the {len(prompt)} of {source}"]
