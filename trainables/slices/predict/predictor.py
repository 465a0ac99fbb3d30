"""From a folder of section images to a QuickNII file: planes, uncertainty, propagation, pictures."""

import functools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from trainables.predictor import Predictor
from trainables.slices.planes import quicknii
from trainables.slices.planes.geometry import alignment_distance
from trainables.slices.predict import evaluation, inputs, overview, predictions, propagate, refine
from trainables.slices.predict.predictions import Frame, Predictions, some
from trainables.slices.sections.data import SliceData
from trainables.slices.volumes import cutting
from trainables.slices.volumes.appearance import one_thread
from trainables.slices.volumes.cutting import Volume
from trainables.training.fit import has_bf16

Array = np.ndarray[Any, Any]
BATCH = 32
ALIKE = (
    "series",
    "volume",
    "atlas",
    "phantom",
    "quicknii",
)  # sources, the more like a user's sections the earlier


class SlicePredictor(Predictor):
    """The planes of section images, as the median of the members' predictions.

    Options: `numbers` and `truth`, files; `refine`, whether planes are moved until the training volume's cut
    looks like the section (see refine.py); `propagate`, true for common angles and even spacing, `order` for
    common angles and depths that rise or fall (see propagate.py); with it `thickness` in µm from one section
    number to the next, and `bad`, numbers or names of sections to infer from their neighbours; `target`, the
    atlas's name in the files; `overview`, whether to draw pictures.
    """

    data: SliceData
    options: ClassVar[Mapping[str, Any]] = {
        "numbers": None,
        "truth": None,
        "refine": False,
        "propagate": False,
        "thickness": None,
        "bad": (),
        "target": None,
        "overview": True,
    }

    def predict(self, source: Path, out: Path, options: Mapping[str, Any]) -> list[str]:
        """Writes the files of `predictions.write`, and pictures into `overview/`.

        An image that can't be used gets a line and is left out. Raises ValueError if none is left, and for
        options that can't be meant.
        """
        check(options)
        alike = self.alike() if options["refine"] else None
        numbers = Path(options["numbers"]) if options["numbers"] else None
        sections, said = inputs.numbered(inputs.images_at(source), numbers, bool(options["propagate"]))
        frame = self.frame(options["target"])
        true = None
        if options["truth"]:
            true, lines = predictions.known(Path(options["truth"]), frame.target)
            said += lines
        with tempfile.TemporaryFile() as pictures:
            series, lines = self.each(sections, pictures if options["overview"] else None, alike)
            said += lines
            if options["propagate"]:
                series, lines = consistent(series, options, frame.voxel_um)
                said += lines
                series = replace(series, beyond=self.beyond(series.planes))
            said += predictions.write(series, frame, source.resolve().name, true, out)
            if options["overview"]:
                overview.draw(series, pictures, self.cut(), out / "overview")
        return said

    @functools.cached_property
    def facts(self) -> dict[str, Any]:
        return self.data.facts()

    def cut(self) -> overview.Cut | None:
        """What cuts the atlas for pictures, if the training data had a volume."""
        volume = self.data.volume()
        return None if volume is None else functools.partial(cutting.cut, volume)

    def alike(self) -> Volume:
        """Of the volumes that training cut, the one that is most like the sections. Raises ValueError."""
        sources = sorted(self.data.sources, key=lambda source: ALIKE.index(source.wanted.source))
        volume = next((volume for source in sources if (volume := source.volume())), None)
        if volume is None:
            raise ValueError(
                "refine=true compares sections with cuts of a volume, but this run had none; "
                "train with data=series, or leave refine=true out"
            )
        return volume

    def frame(self, target: str | None) -> Frame:
        """The atlas of the training planes, by the name `target` if that is given."""
        normal = propagate.normals(self.facts["mean_plane"].double().numpy())
        axis = int(np.abs(normal).argmax())
        return Frame(target or self.data.target, float(self.facts["voxel_um"]), axis)

    @one_thread()  # the other cores decode, and waiting for them would cost more than they give
    def each(
        self, sections: Sequence[tuple[Path, int]], pictures: IO[bytes] | None, alike: Volume | None
    ) -> tuple[Predictions, list[str]]:
        """The sections that can be read, as predicted one by one, and lines on the others.

        With `alike`, refined by that volume.

        What an overview needs of each goes to `pictures`, so that memory does not grow with the series.
        """
        sections = sorted(sections, key=lambda section: section[1])
        sizes = (self.data.image_size, overview.PICTURE) if pictures else (self.data.image_size,)
        names, shapes, numbers, lines = [], [], [], []
        kinds: dict[str, list[str]] = {}
        parts: list[tuple[Array, ...]] = []
        batch: list[Array] = []
        images = inputs.decoded([path for path, _ in sections], sizes)
        for (path, number), image in zip(sections, images, strict=True):
            if isinstance(image, ValueError):
                lines.append(f"{image}; the others are predicted")
                continue
            names.append(path.name)
            shapes.append((image.width, image.height))
            numbers.append(number)
            for kind in image.kinds:
                kinds.setdefault(kind, []).append(path.name)
            if pictures:
                pictures.write(image.pixels[1].tobytes())
            batch.append(image.pixels[0])
            if len(batch) == BATCH:
                parts.append(self.placed(np.stack(batch), alike))
                batch = []
        if batch:
            parts.append(self.placed(np.stack(batch), alike))
        if not parts:
            raise ValueError(f"no section can be predicted; the first: {lines[0]}")
        planes, spread, *more = (np.concatenate(column) for column in zip(*parts, strict=True))
        lines += [f"{kind}: {some(files)}" for kind, files in kinds.items()]
        said = f"{len(names)} sections predicted"
        if len(self.members) > 1:
            said += f" by {len(self.members)} models, which differ by {np.median(spread):,.0f} µm (median)"
        if more:
            said += f"; {refine.said(names, *more)}"
        none, beyond = np.zeros(len(names), dtype=bool), self.beyond(planes)
        found = Predictions(names, shapes, np.array(numbers), planes, spread, none, beyond)
        return found, [*lines, said]

    def placed(self, images: Array, alike: Volume | None) -> tuple[Array, ...]:
        """Images uint8 (B, S, S) -> planes (B, 9) and the members' spread in µm (B,).

        Refined by a volume that is `alike`: also how far each plane moved in µm, and the correlation of the
        section with the cut there, (B,) each.
        """
        batch = torch.from_numpy(images)[:, None].float() / 255
        with torch.inference_mode():
            members = torch.stack([planes_of(member, batch) for member in self.members]).double()
        # Of an even number of members the mean of the two middle values, which torch.median does not take.
        middle = members.quantile(0.5, dim=0)
        voxel_um = float(self.facts["voxel_um"])
        spread = alignment_distance(members, middle, voxel_um).quantile(0.5, dim=0).numpy()
        spread = spread if len(self.members) > 1 else np.full(len(images), np.nan)
        if alike is None:
            return middle.numpy(), spread
        planes, likeness = refine.refined(alike, batch, members)
        moved = alignment_distance(planes.double(), middle, voxel_um)
        return planes.double().numpy(), spread, moved.numpy(), likeness.numpy()

    def beyond(self, planes: Array) -> list[str]:
        """Which of the nine numbers of each plane lie beyond the training planes' range."""
        low, high = (bound.numpy() for bound in self.data.plane_range())
        return [
            " ".join(axis for axis, outside in zip(quicknii.AXES, row, strict=True) if outside)
            for row in (planes < low) | (planes > high)
        ]


def check(options: Mapping[str, Any]) -> None:
    """Raises ValueError for options that can't be meant."""
    if options["propagate"] not in (True, False, "order"):
        raise ValueError(f"propagate is {options['propagate']!r}, but must be true, false or order")
    for name in ("thickness", "bad"):
        if options[name] and not options["propagate"]:
            raise ValueError(f"{name}={options[name]} is for a series; add propagate=true")
    if options["thickness"] is not None and options["propagate"] == "order":
        raise ValueError("thickness= spaces sections evenly; give propagate=true, not propagate=order")
    if not isinstance(options["thickness"], int | float | None) or isinstance(options["thickness"], bool):
        raise ValueError(f"thickness is {options['thickness']!r}, but must be a number of µm")
    for name in ("overview", "refine"):
        if not isinstance(options[name], bool):
            raise ValueError(f"{name} is {options[name]!r}, but must be true or false")


def planes_of(member: torch.nn.Module, images: Tensor) -> Tensor:
    """One learner's planes (B, 9) for images (B, 1, S, S), in the precision that validation has."""
    mixed = bool(getattr(member, "mixed_precision", False)) and has_bf16()
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        planes: Tensor = member(images)
    return planes


def consistent(
    series: Predictions, options: Mapping[str, Any], voxel_um: float
) -> tuple[Predictions, list[str]]:
    """The series after propagation, and a line on it."""
    bad, thickness = marked(series, options["bad"]), options["thickness"]
    regular = options["propagate"] is True
    done = propagate.propagate(
        series.planes, series.numbers, voxel_um, bad=bad, thickness_um=thickness, regular=regular
    )
    x, y, z = evaluation.upright(done.normal)
    said = f"cut along ({x:.3f}, {y:.3f}, {z:.3f})"
    if regular:
        how = "fitted" if thickness is None else "given"
        said += f", {done.thickness_um:.1f} µm from one section number to the next ({how})"
    if bad.any():
        said += "; inferred from their neighbours: "
        said += some([name for name, is_bad in zip(series.names, bad, strict=True) if is_bad])
    return replace(series, planes=done.planes, inferred=bad), [said]


def marked(series: Predictions, bad: Any) -> Array:
    """Which sections `bad` names, by number, by file name or by file name without ending: bool (N,)."""
    marks = np.zeros(len(series.names), dtype=bool)
    for one in bad if isinstance(bad, list | tuple) else [bad]:
        here = [
            one == number or str(one) in (name, Path(name).stem)
            for name, number in zip(series.names, series.numbers.tolist(), strict=True)
        ]
        if not any(here):
            raise ValueError(f"bad={one}: no predicted section has that number or name (bad=[...])")
        marks |= here
    return marks
