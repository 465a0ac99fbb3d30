"""Pictures of a model of small images on the validation split, for the report."""

import html
from collections.abc import Iterator

import lightning as L
import torch
from torch import Tensor

from results.picture import Picture
from trainables.image_grid import png_grid

MISTAKES = 10  # shown, the most confident first
IMAGES = 10  # shown in each figure of reconstructions
IMAGE_PX = 84  # width and height of an image on the page


def classified(module: L.LightningModule, data: L.LightningDataModule) -> list[Picture]:
    """The confusion matrix, and the most confident mistakes of the classifier."""
    images, labels, probabilities = predict(module, data)
    classes = probabilities.argmax(dim=1)
    wrong = (classes != labels).nonzero()[:, 0]
    correct = f"{len(labels) - len(wrong):,} of {len(labels):,} validation images are right."
    matrix = confusion(labels, classes, probabilities.shape[1])
    pictures = [Picture("Confusion matrix.", correct, html=matrix)]
    worst = wrong[probabilities[wrong, classes[wrong]].argsort(descending=True)][:MISTAKES]
    if len(worst):
        cards = "".join(
            f'<div style="width: 92px">{image_html(images[i, 0])}'
            f"<div><b>{classes[i]}</b> {probabilities[i, classes[i]]:.0%}<br>"
            f"<small>is {labels[i]} {probabilities[i, labels[i]]:.0%}</small></div></div>"
            for i in worst
        )
        grid = f'<div style="display: flex; flex-wrap: wrap; gap: 12px">{cards}</div>'
        caption = "The most confident wrong predictions, and the probability of the true class."
        pictures.append(Picture("Worst mistakes.", caption, html=grid))
    return pictures


def reconstructed(module: L.LightningModule, data: L.LightningDataModule) -> list[Picture]:
    """The worst and the best reconstructions of the autoencoder, below their originals."""
    with torch.no_grad():
        pairs = [(images, module(images)) for images, _ in data.val_dataloader()]
    images, outputs = (torch.cat(parts)[:, 0] for parts in zip(*pairs, strict=True))
    errors = (images - outputs).square().mean(dim=(1, 2)).sqrt()
    order = errors.argsort()
    pictures = []
    for title, chosen in ("Worst", order.flip(0)[:IMAGES]), ("Best", order[:IMAGES]):
        rows = [[*images[chosen]], [*outputs[chosen]]]
        low, high = errors[chosen].min(), errors[chosen].max()
        caption = (
            "Originals above, reconstructions below; the root mean squared error is "
            f"{low:.3f} to {high:.3f} of white."
        )
        png = png_grid(rows, enlargement(images.shape[-1]))
        pictures.append(Picture(f"{title} reconstructions.", caption, png=png))
    return pictures


def predict(module: L.LightningModule, data: L.LightningDataModule) -> tuple[Tensor, Tensor, Tensor]:
    """Validation images (N, 1, H, W), labels (N,) and predicted probabilities (N, classes)."""
    with torch.no_grad():
        parts = [(images, labels, module(images).softmax(dim=1)) for images, labels in data.val_dataloader()]
    images, labels, probabilities = (torch.cat(column) for column in zip(*parts, strict=True))
    return images, labels, probabilities


def confusion(labels: Tensor, predicted: Tensor, classes: int) -> str:
    """HTML table of counts, one row per true class. Mistakes are shaded by their count."""
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    counts.index_put_((labels, predicted), torch.ones_like(labels), accumulate=True)
    most = max(1, int((counts - counts.diag().diag()).max()))
    head = "".join(f'<th class="n">{name}</th>' for name in range(classes))
    body = "".join(
        f"<tr><th>{true}</th>{''.join(cells(true, counts[true], most))}</tr>" for true in range(classes)
    )
    return f"<table><thead><tr><th>true \\ predicted</th>{head}</tr></thead><tbody>{body}</tbody></table>"


def cells(true: int, counts: Tensor, most: int) -> Iterator[str]:
    """The cells of one row: correct predictions in bold, mistakes shaded relative to `most`."""
    for predicted, count in enumerate(counts.tolist()):
        share = 0 if predicted == true else round(80 * count / most)
        shade = f"background: color-mix(in srgb, var(--best) {share}%, transparent)" if share else ""
        text = f"<b>{count}</b>" if predicted == true else str(count) if count else "·"
        yield f'<td class="n" style="{shade}">{text}</td>'


def image_html(image: Tensor) -> str:
    """An image (H, W) as an HTML element."""
    source = Picture("", "", png=png_grid([[image]], enlargement(image.shape[-1]))).source
    return f'<img src="{html.escape(source)}" alt="" width="{IMAGE_PX}" height="{IMAGE_PX}">'


def enlargement(width: int) -> int:
    """How many times the pixels of an image of this width fit into IMAGE_PX."""
    return max(1, IMAGE_PX // width)
