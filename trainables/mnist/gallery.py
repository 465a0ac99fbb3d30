"""What the report shows of a model of small images, on the validation set."""

import html
from collections.abc import Iterator

import lightning as L
import torch
from torch import Tensor

from results.picture import Picture
from trainables.image_grid import sheet

MISTAKES = 10
IMAGES = 10


def classified(module: L.LightningModule, data: L.LightningDataModule) -> list[Picture]:
    """The confusion matrix, and the mistakes that the classifier was surest of."""
    images, labels, chances = everything(module, data)
    found = chances.argmax(dim=1)
    wrong = (found != labels).nonzero()[:, 0]
    right = f"{len(labels) - len(wrong):,} of {len(labels):,} validation images are right."
    pictures = [Picture("Confusion matrix.", right, html=confusion(labels, found, chances.shape[1]))]
    worst = wrong[chances[wrong, found[wrong]].argsort(descending=True)][:MISTAKES]
    if len(worst):
        cells = "".join(
            f'<div style="width: 92px">{picture(images[i, 0])}'
            f"<div><b>{found[i]}</b> {chances[i, found[i]]:.0%}<br>"
            f"<small>is {labels[i]} {chances[i, labels[i]]:.0%}</small></div></div>"
            for i in worst
        )
        grid = f'<div style="display: flex; flex-wrap: wrap; gap: 12px">{cells}</div>'
        caption = (
            "The wrong answers that the classifier was surest of, and the probability it gave to the truth."
        )
        pictures.append(Picture("Worst mistakes.", caption, html=grid))
    return pictures


def reconstructed(module: L.LightningModule, data: L.LightningDataModule) -> list[Picture]:
    """Originals and what the autoencoder makes of them: the best and the worst."""
    with torch.no_grad():
        pairs = [(images, module(images)) for images, _ in data.val_dataloader()]
    images, again = (torch.cat(parts)[:, 0] for parts in zip(*pairs, strict=True))
    errors = (images - again).square().mean(dim=(1, 2)).sqrt()
    order = errors.argsort()
    pictures = []
    for title, chosen in ("Worst", order.flip(0)[:IMAGES]), ("Best", order[:IMAGES]):
        rows = [[*images[chosen]], [*again[chosen]]]
        low, high = errors[chosen].min(), errors[chosen].max()
        caption = f"Above the images, below what came back; root mean squared error {low:.3f} to {high:.3f}."
        size = max(1, 84 // images.shape[-1])
        pictures.append(Picture(f"{title} reconstructions.", caption, png=sheet(rows, size)))
    return pictures


def everything(module: L.LightningModule, data: L.LightningDataModule) -> tuple[Tensor, Tensor, Tensor]:
    """Validation images (N, 1, H, W), labels (N,) and the probabilities (N, classes) given to them."""
    with torch.no_grad():
        parts = [(images, labels, module(images).softmax(dim=1)) for images, labels in data.val_dataloader()]
    images, labels, chances = (torch.cat(column) for column in zip(*parts, strict=True))
    return images, labels, chances


def confusion(labels: Tensor, found: Tensor, classes: int) -> str:
    """A table of counts, a row a true class; mistakes are shaded by how many they are."""
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    counts.index_put_((labels, found), torch.ones_like(labels), accumulate=True)
    most = max(1, int((counts - counts.diag().diag()).max()))
    head = "".join(f'<th class="n">{name}</th>' for name in range(classes))
    body = "".join(
        f"<tr><th>{true}</th>{''.join(cells(true, counts[true], most))}</tr>" for true in range(classes)
    )
    return f"<table><thead><tr><th>is \\ said</th>{head}</tr></thead><tbody>{body}</tbody></table>"


def cells(true: int, counts: Tensor, most: int) -> Iterator[str]:
    """The cells of a row: the right answers in bold, the mistakes shaded."""
    for said, count in enumerate(counts.tolist()):
        share = 0 if said == true else round(80 * count / most)
        shade = f"background: color-mix(in srgb, var(--best) {share}%, transparent)" if share else ""
        text = f"<b>{count}</b>" if said == true else str(count) if count else "·"
        yield f'<td class="n" style="{shade}">{text}</td>'


def picture(image: Tensor) -> str:
    """An image (H, W) in HTML."""
    source = Picture("", "", png=sheet([[image]], max(1, 84 // image.shape[-1]))).source
    return f'<img src="{html.escape(source)}" alt="" width="84" height="84">'
