"""A program that gives its classes to LightningCLI, with an argument that is linked to the network."""

from digits.data import Digits
from digits.model import Classifier
from lightning.pytorch.cli import LightningCLI
from torch import nn


class OwnCLI(LightningCLI):
    def add_arguments_to_parser(self, parser):
        parser.add_argument("--width", type=int, default=32)
        parser.link_arguments("width", "model.net.init_args.widths", compute_fn=lambda w: [w, w])


class Holder(Classifier):
    """Has the data itself."""

    def __init__(self, net: nn.Module, data: Digits | None = None) -> None:
        super().__init__(net)
        self.data = data


class HolderCLI(LightningCLI):
    def add_arguments_to_parser(self, parser):
        parser.link_arguments("data", "model.data", apply_on="instantiate")


if __name__ == "__main__":
    OwnCLI(Classifier, Digits)
