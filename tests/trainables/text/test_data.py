"""A text as windows: splits that share nothing, characters as numbers, and the errors for bad files."""

from pathlib import Path

import numpy as np
import pytest
import torch

from trainables.text import prepare
from trainables.text.characters import UNKNOWN, encode, vocabulary
from trainables.text.data import TextWindows, windows

SPLITS = ("train", "val", "test")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A file in which the number of each line tells where it stands."""
    path = tmp_path / "lines.txt"
    path.write_text("".join(f"{number:05} äöü\n" for number in range(2000)), encoding="utf-8")
    return path


def test_the_splits_are_the_text_and_depend_on_the_seed(text: Path) -> None:
    whole = prepare.read(str(text))
    parts = prepare.split(whole, 0)
    assert [len(parts[name]) / len(whole) for name in SPLITS] == pytest.approx([0.8, 0.1, 0.1], abs=0.01)
    assert sorted("".join(parts.values())) == sorted(whole)
    assert prepare.split(whole, 0) == parts
    assert prepare.split(whole, 1)["val"] != parts["val"]


def test_no_paragraph_of_the_reference_is_in_two_splits() -> None:
    text = prepare.read(None)
    paragraphs = text.split("\n\n")
    assert len(paragraphs) == len(set(paragraphs)) > 1000
    long = {
        name: {p for p in part.split("\n\n") if len(p) > 80} for name, part in prepare.split(text, 0).items()
    }
    assert not long["train"] & long["val"] and not long["train"] & long["test"]


def test_windows_predict_the_next_character(text: Path) -> None:
    data = TextWindows(str(text), context=16, train=50, val=20, test=1000, batch_size=8)
    characters, following = next(iter(data.train_dataloader()))
    assert characters.shape == following.shape == (8, 16)
    assert torch.equal(characters[:, 1:], following[:, :-1])
    assert len(data.split("train")) == 50 and len(data.split("val")) == 20
    rows = windows(str(text), 0, "test", 16, 1000)  # the split has fewer
    part = prepare.split(prepare.read(str(text)), 0)["test"]
    assert len(rows) == (len(part) - 1) // 16
    assert "".join(row[:-1] for row in rows) == part[: len(rows) * 16]


def test_a_character_that_training_lacks_is_unknown(tmp_path: Path) -> None:
    known = vocabulary("hello\ufffd")
    assert known == UNKNOWN + "ehlo"
    assert encode("hehe x\ufffd", known).tolist() == [2, 1, 2, 1, 0, 0, 0]
    path = tmp_path / "a.txt"
    pieces = prepare.split("".join(chr(0x4E00 + place) for place in range(5000)), 0)
    path.write_text("".join(chr(0x4E00 + place) for place in range(5000)), encoding="utf-8")
    data = TextWindows(str(path), context=16)
    assert set(data.facts()["vocabulary"][1:]) <= set(pieces["train"])
    assert not data.split("val").any()  # each character of this text is there once
    assert np.isfinite(data.facts()["simple_bits"])


def test_the_n_grams_beat_frequencies() -> None:
    facts = TextWindows().facts()
    assert 2.5 < facts["simple_bits"] < 3.1 < 4.5 < facts["baseline_bits"] < 5


def test_prepare_identifies_the_text(text: Path) -> None:
    prepared = prepare.prepare({"root": str(text), "context": 16})
    assert prepared["root"] == str(text)
    text.write_text(text.read_text() + "more")
    assert prepare.prepare({"root": str(text), "context": 16})["content"] != prepared["content"]
    assert set(prepare.prepare({"root": None, "context": 16})) == {"content"}


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (None, {}, r"can't be read: No such file"),
        (b"\xff\xfe\x00", {}, r"bad.txt is no text in UTF-8: invalid start byte at byte 0"),
        (b"too short", {}, r"the text has 9 characters, but must have 850 \(data.root=, context=\)"),
        (b"", {"train": 0}, r"data.train is 0, but must be"),
        (b"", {"context": "long"}, r"context is 'long', but must be"),
    ],
)
def test_bad_texts_and_options_are_refused(content, options, message, tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        prepare.prepare({"root": str(path), "context": 16, **options})
    assert "\n" not in str(caught.value)
