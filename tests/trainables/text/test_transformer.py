"""The language model: causality, bits per character, what it learns, and how it continues a text."""

import math
from pathlib import Path

import pytest
import torch
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from results import open_run
from search.config.run_config import resolve
from search.runs.run import start
from spaces.lane import Lane
from tests.search.command import SMALL, invoke
from trainables.text.continuation import continuation, predicted
from trainables.text.data import TextWindows
from trainables.text.transformer import LanguageModel
from trainables.training.setup import Setup
from trainables.training.train import train

VOCABULARY = "\ufffdabcd"


def model(seed: int = 0, **arguments: object) -> LanguageModel:
    torch.manual_seed(seed)
    return LanguageModel(VOCABULARY, **{"context": 12, "width": 16, **arguments}).eval()  # type: ignore[arg-type]


def test_a_prediction_depends_on_earlier_characters_only() -> None:
    characters = torch.randint(1, 5, (3, 12), generator=torch.Generator().manual_seed(0))
    other = characters.clone()
    other[:, 7] = 5 - other[:, 7]
    net = model()
    with torch.no_grad():
        before, after = net(characters), net(other)
    torch.testing.assert_close(before[:, :7], after[:, :7])
    assert not torch.allclose(before[:, 7:], after[:, 7:])
    torch.testing.assert_close(net(characters[:, :5]), before[:, :5])


def test_a_model_that_knows_nothing_needs_the_logarithm_of_the_vocabulary() -> None:
    net = model()
    for parameter in net.last.parameters():
        torch.nn.init.zeros_(parameter)
    batch = torch.randint(5, (4, 12)), torch.randint(5, (4, 12))
    assert net.loss(batch).item() == pytest.approx(math.log(5))


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="width is 10, but must be a multiple of heads, 4"):
        model(width=10)
    with pytest.raises(ValueError, match="schedule is 'step', but must be constant or cosine"):
        model(schedule="step")
    with pytest.raises(ValueError, match=r"dropout is 1\.0, but must be in \[0, 1\)"):
        model(dropout=1.0)


@pytest.mark.filterwarnings("error:There is a performance drop")  # a loop over the lanes in place of a batch
def test_vmap_over_models_gives_the_gradients_of_each() -> None:
    lanes = [model(seed) for seed in range(3)]
    batch = torch.randint(5, (4, 12)), torch.randint(5, (4, 12))
    params, buffers = stack_module_state(lanes)  # type: ignore[arg-type]

    def loss(params, buffers):
        logits = functional_call(lanes[0], (params, buffers), (batch[0],))
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[1].flatten())

    gradients, values = vmap(grad_and_value(loss))(params, buffers)
    for lane, net in enumerate(lanes):
        alone = net.loss(batch)
        alone.backward()
        torch.testing.assert_close(values[lane], alone)
        for name, parameter in net.named_parameters():
            torch.testing.assert_close(gradients[name][lane], parameter.grad, rtol=1e-4, atol=1e-6)


def test_a_text_of_repeated_words_is_learned(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("the cat sat on the mat and ate. " * 300)
    setup = Setup(
        "trainables.text.transformer:LanguageModel",
        "trainables.text.data:TextWindows",
        {"root": str(path), "context": 32, "val": 20},
        0,
        6,
        "val/bits",
    )
    bits = {}
    for name, lr in (("good", 1e-2), ("poor", 1e-5)):
        lane = Lane(0, {"lr": lr, "width": 32, "depth": 1, "batch_size": 8}, 0)
        (*_, last) = train(setup, [lane], 0, 6, str(tmp_path / "c.safetensors"))
        bits[name] = last.metrics[0]["val/bits"]
        assert bits[name] == pytest.approx(last.metrics[0]["val/loss"] / math.log(2), rel=1e-5)
    assert bits["good"] < 0.6 < 3 < bits["poor"]


def test_a_continuation_depends_on_its_seed_and_looks_at_the_context_only() -> None:
    net = model()
    torch.manual_seed(1)
    first = continuation([net], "abc", 30, 1.0, seed=0)
    torch.manual_seed(2)
    assert continuation([net], "abc", 30, 1.0, seed=0) == first
    assert continuation([net], "abc", 30, 1.0, seed=1) != first
    assert len(first) == 30 and set(first) <= set("abcd")  # never the unknown character
    assert continuation([net], "d" * 5 + "abca" * 3, 9, 1.0, 0) == continuation([net], "abca" * 3, 9, 1.0, 0)
    assert len(continuation([net], "", 4, 1.0, 0)) == 4


def test_an_ensemble_averages_probabilities() -> None:
    members, characters = [model(0), model(1)], torch.tensor([1, 2])
    with torch.no_grad():
        alone = [predicted([member], characters, 0.5) for member in members]
        torch.testing.assert_close(predicted(members, characters, 0.5), torch.stack(alone).mean(0))


@pytest.mark.slow
def test_a_run_continues_a_prompt_and_shows_texts(tmp_path: Path) -> None:
    from search.after.report import pictures

    sizes = ["trials=2", "epochs=1", "engine=local", "name=r", "param.width=32", "param.depth=1"]
    config = resolve(["space=text_transformer", f"storage={tmp_path}", *sizes, *SMALL["text_transformer"]])
    run = open_run(start(config).folder)
    assert 3 < run.facts[0]["simple"] < run.facts[0]["baseline"]
    images, missing = pictures(run, config)
    assert missing == "" and [picture.title for picture in images] == ["Continued by the model.", "Surprise."]
    assert images[0].html.count("<pre") == 3 and images[1].html.count("<span") > 300
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("The statement <b> is")
    arguments = ["predict", run.path, prompt, "--out", tmp_path / "out", "length=50", "top=2"]
    ran = invoke(*arguments)
    assert ran.exit_code == 0, ran.output
    text = (tmp_path / "out" / "continuation.txt").read_text()
    assert text.startswith("The statement <b> is") and len(text) == 20 + 50
    assert text[20:] in ran.stdout
    again = tmp_path / "again"
    invoke(*arguments[:4], again, *arguments[5:])
    assert (again / "continuation.txt").read_text() == text
    for option in "temperature=0", "length=0", "seed=none":
        refused = invoke(*arguments, option)
        assert (
            refused.exit_code == 2
            and f"{option.replace('=', ' is ')}, but must be" in refused.stderr.replace("'", "")
        )


def test_windows_of_a_run_are_the_same_for_every_trial() -> None:
    assert torch.equal(TextWindows(batch_size=8).split("val"), TextWindows(batch_size=64).split("val"))
