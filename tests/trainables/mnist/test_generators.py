"""The image generators: collapse and success told apart, the sampler, determinism, and their galleries."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from results import open_run
from search.config.run_config import resolve
from search.runs.run import start
from spaces.lane import Lane
from spaces.read import read
from trainables.mnist.diffusion import Diffusion
from trainables.mnist.gan import Gan
from trainables.mnist.generated_gallery import by_epoch
from trainables.mnist.image_loaders import ImageLoaders
from trainables.training.setup import Setup
from trainables.training.train import train

SHAPE = (1, 8, 8)
PATHS = {"gan": "trainables.mnist.gan:Gan", "diffusion": "trainables.mnist.diffusion:Diffusion"}


def trained(name: str, folder: Path, epochs: int, **params: object) -> dict[str, float]:
    """The metrics of the last epoch of a training on the digits."""
    objective = "val/energy" if name == "gan" else "val/loss"
    setup = Setup(PATHS[name], "trainables.mnist.image_loaders:ImageLoaders", {}, 0, epochs, objective)
    lane = Lane(0, {"batch_size": 64, **params}, seed=0)
    (*_, last) = train(setup, [lane], 0, epochs, str(folder / "c.safetensors"))
    assert not last.diverged
    return dict(last.metrics[0])


def test_a_good_gan_is_told_apart_from_a_collapsed_one(tmp_path: Path) -> None:
    facts = ImageLoaders().facts()
    good = trained("gan", tmp_path, 12, lr=2e-3, ratio=4.0)
    collapsed = trained("gan", tmp_path, 3, lr=1e-4, beta1=0.9)
    (constraint,) = read("mnist_gan").constraints
    assert constraint.metric == "val/diversity" and constraint.min is not None
    assert good["val/diversity"] > constraint.min > collapsed["val/diversity"]
    assert good["val/energy"] < 0.25 * facts["baseline_energy"] < collapsed["val/energy"]


class Constant(torch.nn.Module):
    """A generator that makes one image of all noise."""

    def forward(self, noise: Tensor) -> Tensor:
        return torch.full((len(noise), *SHAPE), 0.5)


def test_a_generator_of_a_constant_image_has_no_diversity() -> None:
    gan, data = Gan(SHAPE), ImageLoaders()
    gan.generator, gan.energy = Constant(), data.energy()  # type: ignore[assignment]
    scores = gan.scores(next(iter(data.val_dataloader())))
    assert scores["diversity"] == 0
    assert scores["energy"] > data.facts()["baseline_energy"]


class CollapsedGan(Gan):  # type: ignore[misc]
    """A GAN whose generator is constant, and cannot learn."""

    def forward(self, noise: Tensor) -> Tensor:
        return 0 * super().forward(noise) + 0.5


def test_a_search_ranks_a_collapsed_trial_last_and_says_why(tmp_path: Path) -> None:
    text = (Path("spaces") / "mnist_gan.yaml").read_text()
    text = text.replace("trainables.mnist.gan:Gan", f"{__name__}:CollapsedGan")
    (tmp_path / "s.yaml").write_text(text)
    sizes = ["trials=1", "epochs=1", "engine=local", "name=r", f"storage={tmp_path}"]
    run = open_run(start(resolve([f"space={tmp_path}/s.yaml", *sizes])).folder)
    (row,) = run.trials.to_pylist()
    assert row["state"] == "complete" and row["violation"] == pytest.approx(1)
    assert row["metric/val/diversity"] == pytest.approx(0, abs=1e-6)


def test_a_diffusion_model_beats_the_baselines_that_a_poor_one_misses(tmp_path: Path) -> None:
    facts = ImageLoaders().facts()
    good = trained("diffusion", tmp_path, 12, lr=5e-3, depth=1)
    poor = trained("diffusion", tmp_path, 3, lr=1e-4, width=64)
    assert facts["baseline_loss"] == pytest.approx(1, rel=0.02)
    assert good["val/loss"] < 0.3 < poor["val/loss"]
    assert good["val/energy"] < 0.25 * facts["baseline_energy"] < poor["val/energy"]


class Perfect(torch.nn.Module):
    """The best denoiser of data that consists of one image."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.image = 2 * image - 1

    def forward(self, noisy: Tensor, signal: Tensor) -> Tensor:
        signal = signal[:, None, None, None]
        return (noisy - signal.sqrt() * self.image) / (1 - signal).sqrt()


@pytest.mark.parametrize("noise", ["linear", "cosine"])
def test_the_sampler_finds_the_image_of_a_perfect_denoiser(noise: str) -> None:
    image = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0))
    module = Diffusion(SHAPE, noise=noise, steps=20).eval()
    module.net = Perfect(image)  # type: ignore[assignment]
    path = list(module.path(3, seed=0))
    assert len(path) == 21
    torch.testing.assert_close(path[-1], image.expand(3, *SHAPE), atol=1e-3, rtol=0)
    distances = [float((state - image).square().mean()) for state in path]
    assert distances[0] > 0.05 > distances[-2] > distances[-1]


@pytest.mark.parametrize("kind", [Gan, Diffusion])
def test_generated_images_depend_on_their_seed_alone(kind: type) -> None:
    module = kind(SHAPE)
    module.train(kind is Gan)
    states = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        states.append(module.generate(20, seed=5))
    assert torch.equal(*states)
    assert module.training == (kind is Gan)
    assert not torch.equal(states[0], module.generate(20, seed=6))
    assert states[0].shape == (20, *SHAPE) and 0 <= states[0].min() <= states[0].max() <= 1


def test_wrong_games_and_schedules_are_refused() -> None:
    with pytest.raises(ValueError, match="game is 'chess', but must be one of logistic, hinge"):
        Gan(SHAPE, game="chess")
    with pytest.raises(ValueError, match="schedule is 'step', but must be constant or cosine"):
        Diffusion(SHAPE, schedule="step")


@pytest.mark.parametrize("game", ["logistic", "hinge", "least_squares"])
def test_a_discriminator_that_is_right_has_a_small_loss(game: str) -> None:
    gan = Gan(SHAPE, game=game)
    gan.discriminator = torch.nn.Flatten()  # the logit of an image is its only value
    right, wrong = torch.full((4, 1), 1.0), torch.full((4, 1), -1.0)
    assert gan.discriminator_loss(right, wrong) < gan.discriminator_loss(wrong, right)
    assert gan.for_generator(right).mean() < gan.for_generator(wrong).mean()


def test_the_gallery_has_the_epochs_that_training_has_reached() -> None:
    gan = Gan(SHAPE, epochs=81)
    assert gan.kept_epochs == [1, 2, 4, 8, 16, 32, 64, 81]
    assert Gan(SHAPE, epochs=1).kept_epochs == [1]
    assert len(Gan(SHAPE, epochs=729).kept_epochs) == 9
    gan.eval().snapshots[:3] = torch.randint(1, 255, gan.snapshots[:3].shape)
    pictures = by_epoch(gan, ImageLoaders())
    assert [picture.title for picture in pictures] == [
        "Images by epoch.",
        "Generated images.",
        "Validation images.",
    ]
    assert pictures[0].caption.startswith("A row is an epoch, from top to bottom 1, 2, 4;")


def test_facts_use_no_test_image(monkeypatch: pytest.MonkeyPatch) -> None:
    from trainables.mnist.data import MnistData
    from trainables.mnist.image_loaders import compute_facts

    splits = []
    split = MnistData.split
    monkeypatch.setattr(MnistData, "split", lambda self, name: splits.append(name) or split(self, name))
    compute_facts.cache_clear()
    facts = ImageLoaders(seed=3).facts()
    ImageLoaders(seed=3).energy()
    assert set(splits) == {"train", "val"}
    assert all(map(math.isfinite, [value for value in facts.values() if isinstance(value, float)]))
    assert facts["simple_energy"] < 0.1 * facts["baseline_energy"]
    assert facts["simple_loss"] < 0.3 * facts["baseline_loss"]
