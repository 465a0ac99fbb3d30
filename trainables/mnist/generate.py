"""Predictor of the image generators: new images, compared with given ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import torch

from spaces.validation import NonNegativeInt, PositiveInt, check_value
from trainables.image_grid import png_grid
from trainables.mnist import inputs
from trainables.predictor import Predictor

COLUMNS = 16  # of the sheet of images
ENLARGE = 3
SHOWN = 256  # images on the sheet, at most


@final
class ImageGenerator(Predictor):
    """Generates `count` images from noise that depends on `seed`; the models of an ensemble take turns."""

    options: ClassVar[Mapping[str, Any]] = {"count": 100, "seed": 0}

    def predict(self, source: Path, out: Path, options: Mapping[str, Any]) -> list[str]:
        """Writes `images.npy`, bytes (count, H, W), and `images.png`, the first of them as a sheet.

        Returns their energy distance from the images at `source`. Raises ValueError as `inputs.read`, and
        for a `count` or `seed` that is no whole number in range.
        """
        count, seed = options["count"], options["seed"]
        check_value(PositiveInt, "count", count)
        check_value(NonNegativeInt, "seed", seed)
        _, real = inputs.read(source, self.data.facts()["image_shape"])
        share = -(-count // len(self.members))
        of_members = [member.generate(share, seed + number) for number, member in enumerate(self.members)]
        images = torch.stack(of_members, 1).flatten(0, 1)[:count]
        np.save(out / "images.npy", (255 * images[:, 0]).round().byte().numpy())
        lines = [list(line) for line in images[:SHOWN, 0].split(COLUMNS)]
        (out / "images.png").write_bytes(png_grid(lines, ENLARGE))
        energy = self.data.energy()(images, real / 255)
        return [
            f"{count} images generated; their energy distance from the {len(real)} images at {source} is "
            f"{energy.distance:.4g}, their diversity {energy.diversity:.3g} of that there"
        ]
