"""The slice regressor: a section's image in, the nine numbers of its plane out."""

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
from trainables.losses import Loss, l1, linf, mse
from trainables.slices.planes.geometry import alignment_distance
from trainables.slices.planes.targets import target_named

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


class SliceRegressor(Learner):
    """A timm backbone (Xception: Chollet, CVPR 2017) and a head of our own that regresses planes.

    Trained on a plane's numbers (`parametrisation`: see targets.py) standardised by the training set's mean
    and deviation, or on the alignment distance itself (`loss="distance"`, in mm); measured by the alignment
    distance in µm, which is the same for every loss.

    `pretrained` takes timm's ImageNet weights, `weights` a local file of the backbone's parameters
    (safetensors, or a PyTorch state dict); they may not be given together.
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
        self.loss = Loss(loss, {"mse": mse, "l1": l1, "linf": linf, "distance": self.distance})
        self.target, self.voxel_um = target_named(parametrisation), voxel_um
        self.register_buffer("target_mean", target_mean.float().clone())
        self.register_buffer("target_std", target_std.float().clone())
        # num_classes=0 drops timm's own head, whose drop_rate does nothing in legacy_xception.
        self.backbone = multiply_pointwise(create_backbone(backbone))
        sizes = [features(self.backbone), *[head_width] * head_depth, self.target.count]
        self.head = head(sizes, dropout, ACTIVATIONS[activation])
        # Last, because reading weights may draw random numbers, and only the first time in a process.
        if weights is not None or pretrained:
            fill(self.backbone, backbone_weights(backbone, pretrained, weights), weights or backbone)

    def forward(self, images: Tensor) -> Tensor:
        """Planes (B, 9) in voxels for grey images (B, 1, H, W) in [0, 1]."""
        return self.plane(self.standardised(images))

    def plane(self, standardised: Tensor) -> Tensor:
        """The planes (B, 9) of standardised numbers (B, count)."""
        return self.target.decode(standardised * self.target_std + self.target_mean)

    def standardised(self, images: Tensor) -> Tensor:
        """The planes' numbers less the training set's mean, over its deviation: (B, count)."""
        images = images.contiguous(memory_format=torch.channels_last)
        found = self.backbone((images - 0.5) / 0.5)
        with torch.autocast(found.device.type, enabled=False):  # bf16 could round a plane by a voxel
            prediction: Tensor = self.head(found.float())
        return prediction

    def losses(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        images, planes = batch
        return self.score(self.standardised(images), planes)

    def score(self, standardised: Tensor, planes: Tensor) -> Tensor:
        """The loss (B,) of standardised numbers (B, count) where the truth is `planes` (B, 9)."""
        found: Tensor = self.loss(
            standardised, (self.target.encode(planes) - self.target_mean) / self.target_std
        )
        return found

    def distance(self, found: Tensor, wanted: Tensor) -> Tensor:
        """The alignment distance (B,) in mm between planes as standardised numbers (B, count)."""
        return alignment_distance(self.plane(found), self.plane(wanted), self.voxel_um) / 1000

    def metrics(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        images, planes = batch
        prediction = self.standardised(images)
        return {
            "loss": self.score(prediction, planes),
            "distance_um": alignment_distance(self.plane(prediction), planes, self.voxel_um),
        }


def head(sizes: list[int], dropout: float, activation: type[nn.Module]) -> nn.Sequential:
    """Dense layers from `sizes[0]` numbers over those between to `sizes[-1]`."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes[:-1]):
        layers += [nn.Linear(before, after), activation(), nn.Dropout(dropout)]
    last = nn.Linear(sizes[-2], sizes[-1])
    # It begins with the constant prediction, the training mean, and not with noise to unlearn.
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)


def features(backbone: nn.Module) -> int:
    """How many numbers the backbone finds in an image: some have a last layer that num_features is before."""
    return int(getattr(backbone, "head_hidden_size", None) or backbone.num_features)  # type: ignore[arg-type]


class Pointwise(nn.Conv2d):
    """A 1x1 convolution as the matrix product it is: far quicker on CPUs for channels-last images."""

    def forward(self, input: Tensor) -> Tensor:
        pixels = input.permute(0, 2, 3, 1)
        return F.linear(pixels, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def multiply_pointwise(model: nn.Module) -> nn.Module:
    """Turns the plain 1x1 convolutions of `model`, in place, into Pointwise; parameters and names stay."""
    for module in model.modules():
        if type(module) is nn.Conv2d and module.kernel_size == module.stride == (1, 1) and module.groups == 1:
            module.__class__ = Pointwise
    return model


def create_backbone(name: str, pretrained: bool = False) -> nn.Module:
    """timm's model `name` for one grey channel, without its head. Raises ValueError if there is none."""
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), 3, 0.5)
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise ValueError(f"timm has no model {name!r} (backbone=...){hint}")
    return timm.create_model(name, pretrained=pretrained, in_chans=1, num_classes=0)


@functools.lru_cache(maxsize=2)
def backbone_weights(name: str, pretrained: bool, weights: str | None) -> dict[str, Tensor]:
    """The backbone's first parameters, read once a process. Raises ValueError if they can't be had."""
    if weights is not None:
        if pretrained:
            raise ValueError(f"pretrained=true and weights={weights} are both given; give one of them")
        return weights_file(Path(weights))
    try:
        return create_backbone(name, pretrained=True).state_dict()
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"the ImageNet weights of {name} can't be fetched ({type(error).__name__}); "
            "give a local file with weights=PATH, or train from scratch with pretrained=false"
        ) from error


def weights_file(path: Path) -> dict[str, Tensor]:
    """A state dict from safetensors or from PyTorch's format (tensors only). Raises ValueError."""
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


def fill(backbone: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Copies `state` into the backbone. A head's parameters are left out, colour filters summed to grey.

    Raises ValueError if `state`, which is from `source`, belongs to another model.
    """
    for name, own in backbone.state_dict().items():
        given = state.get(name)
        if given is not None and given.ndim == own.ndim == 4 and own.shape[1] == 1 and given.shape[1] == 3:
            given = given.sum(dim=1, keepdim=True)
        if given is None or given.shape != own.shape:
            has = "is missing" if given is None else f"has shape {tuple(given.shape)}, not {tuple(own.shape)}"
            raise ValueError(f"{source} is of another backbone: {name} {has} (weights=PATH, backbone=NAME)")
        own.copy_(given)
