"""Update: what the optimizers of the lanes of a group do with the gradients of their step."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import final

from torch import Tensor

Gradients = Mapping[str, Tensor]  # (lanes, ...) by the name of the parameter
ALL = slice(None)  # the rows of all lanes


@final
class FixedGradients(dict[str, Tensor]):
    """Gradients that are in the same tensors at each step, with other values."""


class Update(ABC):
    """The optimizers of the lanes of a group, a row for each lane.

    The hyperparameters are those that the parameter groups of each lane's own optimizer have at the step, so
    schedulers work as usual. The state is that of each lane's own optimizer, so checkpoints do.
    """

    @abstractmethod
    def add(self, gradients: Gradients) -> None:
        """Adds gradients of all lanes to those of their next step."""

    @abstractmethod
    def step(self, rows: slice = ALL) -> None:
        """Clips the gradients of the lanes in these rows, makes a step of their optimizers, frees them."""

    @abstractmethod
    def hand_out(self) -> None:
        """Adds all gradients held here to those of each lane's parameters; this update is used no more."""
