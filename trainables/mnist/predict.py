"""What the MNIST models' outputs are turned into: classes and probabilities; reconstructions and latents."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from pyarrow import csv
from pyarrow import parquet as pq
from scipy.special import softmax
from torch import Tensor

from trainables.mnist import idx, inputs
from trainables.mnist.data import EVAL_BATCH
from trainables.predictor import Predictor

SHEET = (8, 16)  # rows and columns of a contact sheet, in pairs of images
BORDER = 2  # pixels around each image of it


class ClassPredictor(Predictor):
    """The class of each image and the probability of each class; of several members, the mean probability.

    `truth` is an IDX file of labels: then it says how many are right.
    """

    options: ClassVar[Mapping[str, Any]] = {"truth": None}

    def predict(self, source: Path, out: Path, options: Mapping[str, Any]) -> list[str]:
        """Writes `predictions.parquet` and `.csv`: input, class, `p/<class>` ..., and the truth if given."""
        names, images = inputs.read(source, self.data.facts()["image_shape"])
        labels = truth(Path(options["truth"]), len(images)) if options["truth"] else None
        found = np.mean([softmax(batched(member, images), axis=1) for member in self.members], axis=0)
        classes = found.argmax(1)
        columns = {"input": names, "class": classes}
        columns |= {f"p/{number}": found[:, number] for number in range(found.shape[1])}
        write(out, columns if labels is None else {**columns, "truth": labels})
        said = [f"{len(names)} images predicted"]
        if labels is not None:
            right = int((classes == labels).sum())
            said.append(f"{right} of {len(labels)} are right: accuracy {right / len(labels):.4g}")
        return said


class ReconstructionPredictor(Predictor):
    """The reconstruction of each image, its error, and its latents.

    Of several members, the mean reconstruction, and the latents of each: one model's mean nothing to another.
    """

    def predict(self, source: Path, out: Path, options: Mapping[str, Any]) -> list[str]:
        """Writes `predictions.parquet` and `.csv`: input, rmse (of white, 1), `latent/<member>/<number>` ...;
        and `reconstructions.png`: of the first images, each beside its reconstruction.
        """
        names, images = inputs.read(source, self.data.facts()["image_shape"])
        latents = [batched(member.encode, images) for member in self.members]
        drawn = np.mean([batched(member, images) for member in self.members], axis=0)
        given = images.numpy() / 255
        rmse = np.sqrt(np.square(drawn - given).reshape(len(drawn), -1).mean(1))
        columns = {"input": names, "rmse": rmse} | {
            f"latent/{member}/{number}": values[:, number]
            for member, values in enumerate(latents)
            for number in range(values.shape[1])
        }
        write(out, columns)
        contact_sheet(given[:, 0], drawn[:, 0]).save(out / "reconstructions.png")
        return [f"{len(names)} images drawn again; the mean rmse is {rmse.mean():.4g} of white"]


def batched(function: Callable[[Tensor], Tensor], images: Tensor) -> np.ndarray[Any, Any]:
    """What the function gives for images (N, 1, H, W) of bytes, which it gets as float32 in [0, 1]."""
    with torch.inference_mode():
        return torch.cat([function(part / 255) for part in images.split(EVAL_BATCH)]).numpy()


def truth(path: Path, count: int) -> np.ndarray[Any, Any]:
    """The labels in an IDX file, int64 (count,). Raises ValueError."""
    labels = idx.read(path)
    if labels.shape != (count,):
        raise ValueError(
            f"{path} has {' x '.join(map(str, labels.shape))} values, but must have {count} labels"
        )
    return labels.astype(np.int64)


def write(out: Path, columns: Mapping[str, Any]) -> None:
    """Writes the columns to `predictions.parquet` and `predictions.csv`."""
    table = pa.table(dict(columns))
    pq.write_table(table, out / "predictions.parquet")
    csv.write_csv(table, out / "predictions.csv")


def contact_sheet(given: np.ndarray[Any, Any], drawn: np.ndarray[Any, Any]) -> Image.Image:
    """The first images (N, H, W) in [0, 1], each beside its reconstruction."""
    rows, columns = SHEET
    pairs = np.stack([given, drawn], 1)[: rows * columns]
    columns = min(columns, len(pairs))
    pairs = np.pad(pairs, ((0, -len(pairs) % columns), (0, 0), (0, 0), (0, 0)))
    cells = np.pad(pairs, ((0, 0), (0, 0), (BORDER, BORDER), (BORDER, BORDER)), constant_values=0.25)
    _, _, height, width = cells.shape
    sheet = cells.reshape(-1, columns, 2, height, width).transpose(0, 3, 1, 2, 4)
    return Image.fromarray(np.round(255 * sheet.reshape(-1, columns * 2 * width)).astype(np.uint8))
