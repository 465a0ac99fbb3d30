"""Predictors of the MNIST spaces: classes and probabilities; reconstructions and latents."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, final

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

SHEET = (8, 16)  # rows and columns of the contact sheet, in pairs of images
BORDER = 2  # pixels around each of its images


@final
class ClassPredictor(Predictor):
    """Class of each image and probability of each class; an ensemble averages the probabilities.

    With `truth`, an IDX file of labels, `predict` also returns the accuracy.
    """

    options: ClassVar[Mapping[str, Any]] = {"truth": None}

    def predict(self, source: Path, out: Path, options: Mapping[str, Any]) -> list[str]:
        """Writes `predictions.parquet` and `.csv`: columns input, class, `p/<class>` and, with labels, truth.

        Raises ValueError as `inputs.read` and `read_labels` do.
        """
        names, images = inputs.read(source, self.data.facts()["image_shape"])
        labels = read_labels(Path(options["truth"]), len(images)) if options["truth"] else None
        probabilities = np.mean([softmax(batched(member, images), axis=1) for member in self.members], axis=0)
        classes = probabilities.argmax(1)
        columns = {"input": names, "class": classes}
        columns |= {f"p/{number}": column for number, column in enumerate(probabilities.T)}
        write(out, columns if labels is None else {**columns, "truth": labels})
        lines = [f"{len(names)} images predicted"]
        if labels is not None:
            correct = int((classes == labels).sum())
            lines.append(f"{correct} of {len(labels)} are right: accuracy {correct / len(labels):.4g}")
        return lines


@final
class ReconstructionPredictor(Predictor):
    """Reconstruction of each image, its error, and its latents.

    An ensemble averages the reconstructions but not the latents, whose meaning differs from model to model.
    """

    def predict(self, source: Path, out: Path, options: Mapping[str, Any]) -> list[str]:
        """Writes `predictions.parquet` and `.csv`: columns input, rmse (white is 1) and
        `latent/<member>/<number>`, and `reconstructions.png`, the first images beside their reconstructions.

        Raises ValueError as `inputs.read` does.
        """
        names, images = inputs.read(source, self.data.facts()["image_shape"])
        latents = [batched(member.encode, images) for member in self.members]
        outputs = np.mean([batched(member, images) for member in self.members], axis=0)
        originals = images.numpy() / 255
        rmse = np.sqrt(np.square(outputs - originals).reshape(len(outputs), -1).mean(1))
        columns = {"input": names, "rmse": rmse} | {
            f"latent/{member}/{number}": values[:, number]
            for member, values in enumerate(latents)
            for number in range(values.shape[1])
        }
        write(out, columns)
        contact_sheet(originals[:, 0], outputs[:, 0]).save(out / "reconstructions.png")
        return [f"{len(names)} images reconstructed; the mean rmse is {rmse.mean():.4g} of white"]


def batched(function: Callable[[Tensor], Tensor], images: Tensor) -> np.ndarray[Any, Any]:
    """Output of the function for images (N, 1, H, W) of bytes, which it gets as float32 in [0, 1]."""
    with torch.inference_mode():
        return torch.cat([function(part / 255) for part in images.split(EVAL_BATCH)]).numpy()


def read_labels(path: Path, count: int) -> np.ndarray[Any, Any]:
    """The labels in an IDX file, int64 (count,). Raises ValueError as `idx.read`, and for another shape."""
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


def contact_sheet(originals: np.ndarray[Any, Any], outputs: np.ndarray[Any, Any]) -> Image.Image:
    """The first of the images (N, H, W) in [0, 1], each beside its reconstruction."""
    rows, columns = SHEET
    pairs = np.stack([originals, outputs], 1)[: rows * columns]
    columns = min(columns, len(pairs))
    pairs = np.pad(pairs, ((0, -len(pairs) % columns), (0, 0), (0, 0), (0, 0)))
    cells = np.pad(pairs, ((0, 0), (0, 0), (BORDER, BORDER), (BORDER, BORDER)), constant_values=0.25)
    _, _, height, width = cells.shape
    sheet = cells.reshape(-1, columns, 2, height, width).transpose(0, 3, 1, 2, 4)
    return Image.fromarray(np.round(255 * sheet.reshape(-1, columns * 2 * width)).astype(np.uint8))
