"""The slice regressor: from a section's image to the nine numbers of its plane."""

import difflib
import functools
import itertools
from pathlib import Path
from typing import Any, ClassVar

import timm
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from trainables.learner import Learner
from trainables.losses import REGRESSION_LOSSES, Loss
from trainables.slices.planes.geometry import alignment_distance
from trainables.slices.planes.targets import target_named
from trainables.training.precision import full_precision

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


class SliceRegressor(Learner):
    """A timm backbone (Xception: Chollet, CVPR 2017) with a dense head that regresses planes.

    The loss compares a plane's numbers (`parametrisation`: see planes/targets.py), standardised by the
    training set's mean and deviation, or is the alignment distance itself (`loss="distance"`, in mm).
    Validation measures the alignment distance in µm, whatever the loss.

    `pretrained` loads timm's ImageNet weights, `weights` a local file of the backbone's parameters
    (safetensors, or a PyTorch state dict); they exclude each other. Raises ValueError if an argument has an
    unknown name, or if the weights can't be read or belong to another backbone.
    """

    mixed_precision: ClassVar[bool] = True
    channels_last: ClassVar[bool] = True
    batch_norm_samples: ClassVar[int] = 128
    target_mean: Tensor
    target_std: Tensor

    def __init__(
        self,
        *,
        target_mean: Tensor,
        target_std: Tensor,
        voxel_um: float,
        backbone: str = "legacy_xception",
        pretrained: bool = False,
        weights: str | None = None,
        parametrisation: str = "numbers",
        loss: str = "mse",
        head_width: int = 256,
        head_depth: int = 1,
        dropout: float = 0.0,
        activation: str = "relu",
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"activation is {activation!r}, but must be one of {', '.join(ACTIVATIONS)} "
                "(param.activation=...)"
            )
        self.loss = Loss(loss, {**REGRESSION_LOSSES, "distance": self.distance})
        self.target, self.voxel_um = target_named(parametrisation), voxel_um
        self.register_buffer("target_mean", target_mean.float().clone())
        self.register_buffer("target_std", target_std.float().clone())
        # num_classes=0 drops timm's own head, whose drop_rate does nothing in legacy_xception.
        self.backbone = multiply_pointwise(create_backbone(backbone))
        sizes = [feature_count(self.backbone), *[head_width] * head_depth, self.target.count]
        self.head = make_head(sizes, dropout, ACTIVATIONS[activation])
        # Last, because reading weights may draw random numbers, and only the first time in a process.
        if weights is not None or pretrained:
            copy_weights(self.backbone, backbone_weights(backbone, pretrained, weights), weights or backbone)

    def forward(self, images: Tensor) -> Tensor:
        """Planes (B, 9) in voxels for grey images (B, 1, H, W) in [0, 1]."""
        return self.planes(self.standardised(images))

    def planes(self, standardised: Tensor) -> Tensor:
        """The planes (B, 9) of standardised numbers (B, count)."""
        return self.target.decode(standardised * self.target_std + self.target_mean)

    def standardised(self, images: Tensor) -> Tensor:
        """The network's output for images (B, 1, H, W): standardised numbers (B, count)."""
        images = images.contiguous(memory_format=torch.channels_last)
        features = self.backbone((images - 0.5) / 0.5)
        with full_precision(features.device):  # bf16 could round a plane by a voxel
            prediction: Tensor = self.head(features.float())
        return prediction

    def losses(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        images, planes = batch
        return self.score(self.standardised(images), planes)

    def score(self, standardised: Tensor, planes: Tensor) -> Tensor:
        """The losses (B,) of standardised numbers (B, count) for the true planes (B, 9)."""
        true = (self.target.encode(planes) - self.target_mean) / self.target_std
        losses: Tensor = self.loss(standardised, true)
        return losses

    def distance(self, predicted: Tensor, true: Tensor) -> Tensor:
        """The alignment distances (B,) in mm between planes as standardised numbers (B, count)."""
        return alignment_distance(self.planes(predicted), self.planes(true), self.voxel_um) / 1000

    def metrics(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        images, planes = batch
        prediction = self.standardised(images)
        return {
            "loss": self.score(prediction, planes),
            "distance_um": alignment_distance(self.planes(prediction), planes, self.voxel_um),
        }


def make_head(sizes: list[int], dropout: float, activation: type[nn.Module]) -> nn.Sequential:
    """Dense layers with `sizes[0]` inputs, hidden layers of the sizes in between, and `sizes[-1]` outputs."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes[:-1]):
        layers += [nn.Linear(before, after), activation(), nn.Dropout(dropout)]
    last = nn.Linear(sizes[-2], sizes[-1])
    # Zeros: training starts from the constant prediction, the training mean.
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)


def feature_count(backbone: nn.Module) -> int:
    """The size of the backbone's output; some models have a last layer after `num_features`."""
    return int(getattr(backbone, "head_hidden_size", None) or backbone.num_features)  # type: ignore[arg-type]


class Pointwise(nn.Conv2d):
    """A 1x1 convolution, computed as a matrix product: much faster on CPUs for channels-last images."""

    def forward(self, input: Tensor) -> Tensor:
        pixels = input.permute(0, 2, 3, 1)
        return F.linear(pixels, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def multiply_pointwise(model: nn.Module) -> nn.Module:
    """Makes the plain 1x1 convolutions of `model` Pointwise, in place; parameters and their names stay."""
    for module in model.modules():
        if type(module) is nn.Conv2d and module.kernel_size == module.stride == (1, 1) and module.groups == 1:
            module.__class__ = Pointwise
    return model


def create_backbone(name: str, pretrained: bool = False) -> nn.Module:
    """timm's model `name` for one grey channel, without its head. Raises ValueError for an unknown name."""
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), 3, 0.5)
        hint = f"; the nearest are {', '.join(near)}" if near else ""
        raise ValueError(f"timm has no model {name!r} (backbone=...){hint}")
    return timm.create_model(name, pretrained=pretrained, in_chans=1, num_classes=0)


@functools.lru_cache(maxsize=2)
def backbone_weights(name: str, pretrained: bool, weights: str | None) -> dict[str, Tensor]:
    """The backbone's initial parameters, read once a process.

    Raises ValueError if both `pretrained` and `weights` are set, or if the weights can't be fetched or read.
    """
    if weights is not None:
        if pretrained:
            raise ValueError(f"pretrained=true and weights={weights} are both set; set one of them")
        return read_weights(Path(weights))
    try:
        return create_backbone(name, pretrained=True).state_dict()
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"the ImageNet weights of {name} can't be fetched ({type(error).__name__}); "
            "give a local file with weights=PATH, or train from scratch with pretrained=false"
        ) from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """A state dict in safetensors or PyTorch's format (tensors only).

    Raises ValueError if the file is missing or has another format.
    """
    if not path.is_file():
        raise ValueError(f"there is no weights file {path} (weights=PATH)")
    try:
        safe = path.suffix == ".safetensors"
        state = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
        return {str(name): torch.as_tensor(value) for name, value in state.items()}
    except Exception as error:  # the readers' own errors have no common class
        raise ValueError(
            f"{path} can't be read ({type(error).__name__}); "
            "weights=PATH takes a state dict of tensors, as safetensors or from torch.save"
        ) from error


def copy_weights(backbone: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Copies `state` into the backbone. Parameters of a head are skipped; colour filters are summed to grey.

    Raises ValueError, with the name `source` of the weights, if a parameter is missing or has another shape.
    """
    for name, own in backbone.state_dict().items():
        new = state.get(name)
        if new is not None and new.ndim == own.ndim == 4 and own.shape[1] == 1 and new.shape[1] == 3:
            new = new.sum(dim=1, keepdim=True)
        if new is None or new.shape != own.shape:
            problem = "is missing" if new is None else f"has shape {tuple(new.shape)}, not {tuple(own.shape)}"
            raise ValueError(
                f"{source} is for another backbone: {name} {problem} (weights=PATH, backbone=NAME)"
            )
        own.copy_(new)
