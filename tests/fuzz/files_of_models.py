"""Checkpoints of packs and of single trials, and exported encoders."""

from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file

from tests.fuzz.kind import Kind
from trainables.mnist.contrastive import Contrastive
from trainables.mnist.probe import load_encoder
from trainables.slices.xception import read_weights
from trainables.training import checkpoint
from trainables.training.single import from_state, to_state

SHAPE = (1, 8, 8)


def learner() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """A module, and its optimizer after a step."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    optimizer = torch.optim.AdamW(module.parameters())
    module(torch.rand(5, 3)).sum().backward()
    optimizer.step()
    return module, optimizer


def pack(folder: Path) -> Path:
    """The checkpoint of a pack of two."""
    checkpoint.save(folder / "a.safetensors", {number: checkpoint.state(*learner()) for number in (0, 7)})
    return folder / "a.safetensors"


def restored(path: Path) -> None:
    """A lane, as the next job and the export read it."""
    checkpoint.restore(*learner(), path, 7)
    checkpoint.weights(path, 0)
    checkpoint.lanes(path)


def single(folder: Path) -> Path:
    """The checkpoint of a trial that Lightning saves."""
    module, optimizer = learner()
    lightning = {"state_dict": module.state_dict(), "optimizer_states": [optimizer.state_dict()], "epoch": 3}
    checkpoint.save(folder / "a.safetensors", {3: to_state(lightning | {"ended": {"val": 0.5}})})
    return folder / "a.safetensors"


def weights(folder: Path) -> Path:
    """A state dict in safetensors."""
    save_file(learner()[0].state_dict(), folder / "a.safetensors")
    return folder / "a.safetensors"


def pickled(folder: Path) -> Path:
    """A state dict in PyTorch's format."""
    torch.save(learner()[0].state_dict(), folder / "a.pt")
    return folder / "a.pt"


def encoder(folder: Path) -> Path:
    """The configuration of an exported encoder; its weights lie beside it."""
    save_file(Contrastive(image_shape=SHAPE, widths="4").state_dict(), folder / "model.safetensors")
    arguments = {"image_shape": list(SHAPE), "widths": "4"}
    model = {"class_path": "trainables.mnist.contrastive:Contrastive", "init_args": arguments}
    (folder / "config.yaml").write_text(yaml.safe_dump({"model": model}))
    return folder / "config.yaml"


def encoder_weights(folder: Path) -> Path:
    """The weights of an exported encoder."""
    return encoder(folder).with_name("model.safetensors")


KINDS = {
    "checkpoint of a pack": Kind(pack, restored),
    "checkpoint of a trial": Kind(single, lambda path: from_state(checkpoint.lane(path, 3))),
    "weights": Kind(weights, read_weights),
    "pickled weights": Kind(pickled, read_weights),
    "encoder": Kind(encoder, lambda path: load_encoder(path.parent)),
    "weights of an encoder": Kind(encoder_weights, lambda path: load_encoder(path.parent)),
}
