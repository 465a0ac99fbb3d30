"""SlicePredictor: from a folder of section images to QuickNII files.

predictor.py holds the order of the steps; inputs.py reads the images, refine.py and propagate.py improve the
planes, predictions.py and overview.py write the results.
"""

import functools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor

from trainables.predictor import Predictor
from trainables.slices.planes import quicknii
from trainables.slices.planes.geometry import alignment_distance
from trainables.slices.predict import evaluation, inputs, overview, predictions, propagate, refine
from trainables.slices.predict.predictions import AtlasFrame, Predictions, abbreviated
from trainables.slices.sections.data import SliceData
from trainables.slices.volumes import cutting
from trainables.slices.volumes.appearance import one_thread
from trainables.slices.volumes.cutting import Volume
from trainables.training.precision import has_bf16

Array = np.ndarray[Any, Any]
BATCH = 32
REFINEMENT_SOURCES = ("series", "volume", "atlas", "phantom", "quicknii")
"""Sources in the order of preference for refinement: most similar to the user's sections first."""


@final
class SlicePredictor(Predictor):
    """Predicts the planes of section images as the median over the members of the ensemble.

    Options:
        numbers: a file with section numbers (see inputs.py).
        truth: an anchoring file with reference planes to compare with.
        refine: move each plane until the training volume's cut looks like the section (see refine.py).
        propagate: true for common angles and even spacing, `order` for common angles and depths that rise or
            fall with the numbers (see propagate.py).
        thickness: µm from one section number to the next, for `propagate=true`.
        bad: numbers or names of sections to infer from their neighbours, with `propagate`.
        target: the atlas's name in the files.
        overview: draw pictures.
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
        """Writes the files of `predictions.write` into `out`, and pictures into `out/overview`.

        An image that can't be read is left out with a message. Raises ValueError if no image can be
        predicted, if an option has an invalid value, or if a file that an option names can't be used.
        """
        check_options(options)
        volume = self.refinement_volume() if options["refine"] else None
        numbers = Path(options["numbers"]) if options["numbers"] else None
        sections, messages = inputs.assign_numbers(
            inputs.image_files(source), numbers, bool(options["propagate"])
        )
        frame = self.atlas_frame(options["target"])
        reference = None
        if options["truth"]:
            reference, lines = predictions.read_reference(Path(options["truth"]), frame.target)
            messages += lines
        with tempfile.TemporaryFile() as pictures:
            series, lines = self.predict_sections(sections, pictures if options["overview"] else None, volume)
            messages += lines
            if options["propagate"]:
                series, line = propagated(series, options, frame.voxel_um)
                messages.append(line)
                series = replace(series, extrapolated=self.extrapolated(series.planes))
            messages += predictions.write(series, frame, source.resolve().name, reference, out)
            if options["overview"]:
                overview.draw(series, pictures, self.atlas_cut(), out / "overview")
        return messages

    @functools.cached_property
    def facts(self) -> dict[str, Any]:
        """`SliceData.facts()` of the training data."""
        return self.data.facts()

    def atlas_cut(self) -> overview.Cut | None:
        """The function that cuts the atlas for pictures; None if the training data had no volume."""
        volume = self.data.volume()
        return None if volume is None else functools.partial(cutting.cut, volume)

    def refinement_volume(self) -> Volume:
        """The training volume that is most similar to the sections, by REFINEMENT_SOURCES.

        Raises ValueError if the training data had no volume.
        """
        sources = sorted(
            self.data.sources, key=lambda source: REFINEMENT_SOURCES.index(source.options.source)
        )
        volume = next((volume for source in sources if (volume := source.volume())), None)
        if volume is None:
            raise ValueError(
                "refine=true compares sections with cuts of a volume, but this run had none; "
                "train with data=series, or leave refine=true out"
            )
        return volume

    def atlas_frame(self, target: str | None) -> AtlasFrame:
        """The frame of the training planes; `target` replaces the name of the atlas."""
        normal = propagate.normals(self.facts["mean_plane"].double().numpy())
        axis = int(np.abs(normal).argmax())
        return AtlasFrame(target or self.data.target, float(self.facts["voxel_um"]), axis)

    @one_thread()  # the other cores decode images; waiting for them would cost more than they add
    def predict_sections(
        self, sections: Sequence[tuple[Path, int]], pictures: IO[bytes] | None, volume: Volume | None
    ) -> tuple[Predictions, list[str]]:
        """The sections (file, number) predicted one by one, and messages on unreadable and unusual files.

        With a `volume`, planes are refined. The pixels for the overviews go to the file `pictures`, so memory
        does not grow with the series. Raises ValueError if no image can be read.
        """
        sections = sorted(sections, key=lambda section: section[1])
        sizes = (self.data.image_size, overview.PICTURE_SIZE) if pictures else (self.data.image_size,)
        names, shapes, numbers, messages = [], [], [], []
        files_by_note: dict[str, list[str]] = {}
        results: list[tuple[Array, ...]] = []
        batch: list[Array] = []
        images = inputs.decode_images([path for path, _ in sections], sizes)
        for (path, number), image in zip(sections, images, strict=True):
            if isinstance(image, ValueError):
                messages.append(f"{image}; the others are predicted")
                continue
            names.append(path.name)
            shapes.append((image.width, image.height))
            numbers.append(number)
            for note in image.notes:
                files_by_note.setdefault(note, []).append(path.name)
            if pictures:
                pictures.write(image.pixels[1].tobytes())
            batch.append(image.pixels[0])
            if len(batch) == BATCH:
                results.append(self.predict_batch(np.stack(batch), volume))
                batch = []
        if batch:
            results.append(self.predict_batch(np.stack(batch), volume))
        if not results:
            raise ValueError(f"no section can be predicted; the first: {messages[0]}")
        planes, uncertainty_um, *refinement = (
            np.concatenate(column) for column in zip(*results, strict=True)
        )
        messages += [f"{note}: {abbreviated(files)}" for note, files in files_by_note.items()]
        message = f"{len(names)} sections predicted"
        if len(self.members) > 1:
            difference = np.median(uncertainty_um)
            message += f" by {len(self.members)} models, which differ by {difference:,.0f} µm (median)"
        if refinement:
            message += f"; {refine.summary(names, *refinement)}"
        series = Predictions(
            names=names,
            sizes=shapes,
            numbers=np.array(numbers),
            planes=planes,
            uncertainty_um=uncertainty_um,
            inferred=np.zeros(len(names), dtype=bool),
            extrapolated=self.extrapolated(planes),
        )
        return series, [*messages, message]

    def predict_batch(self, images: Array, volume: Volume | None) -> tuple[Array, ...]:
        """Images uint8 (B, S, S) -> planes (B, 9) and the members' median distance from them in µm (B,).

        With a `volume`, planes are refined, and two more arrays (B,) follow: how far each plane moved in µm,
        and the correlation of the section with the cut at its plane.
        """
        batch = torch.from_numpy(images)[:, None].float() / 255
        with torch.inference_mode():
            members = torch.stack([predict_planes(member, batch) for member in self.members]).double()
        # Of an even number of members, the mean of the two middle values; torch.median takes the lower one.
        median = members.quantile(0.5, dim=0)
        voxel_um = float(self.facts["voxel_um"])
        uncertainty_um = alignment_distance(members, median, voxel_um).quantile(0.5, dim=0).numpy()
        if len(self.members) == 1:
            uncertainty_um = np.full(len(images), np.nan)
        if volume is None:
            return median.numpy(), uncertainty_um
        planes, correlation = refine.refine_planes(volume, batch, members)
        moved_um = alignment_distance(planes.double(), median, voxel_um)
        return planes.double().numpy(), uncertainty_um, moved_um.numpy(), correlation.numpy()

    def extrapolated(self, planes: Array) -> list[str]:
        """For each plane (N, 9), the axes whose values lie outside the range of the training planes."""
        low, high = (bound.numpy() for bound in self.data.plane_range())
        return [
            " ".join(axis for axis, outside in zip(quicknii.AXES, row, strict=True) if outside)
            for row in (planes < low) | (planes > high)
        ]


def check_options(options: Mapping[str, Any]) -> None:
    """Raises ValueError for an option with an invalid value, or one that needs another option."""
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


def predict_planes(member: torch.nn.Module, images: Tensor) -> Tensor:
    """One learner's planes (B, 9) for images (B, 1, S, S), at the precision of validation."""
    mixed = bool(getattr(member, "mixed_precision", False)) and has_bf16()
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        planes: Tensor = member(images)
    return planes


def propagated(series: Predictions, options: Mapping[str, Any], voxel_um: float) -> tuple[Predictions, str]:
    """The series after propagation, and a message. Raises ValueError as `bad_mask` and `propagate` do."""
    bad, thickness = bad_mask(series, options["bad"]), options["thickness"]
    regular = options["propagate"] is True
    result = propagate.propagate(
        series.planes, series.numbers, voxel_um, bad=bad, thickness_um=thickness, regular=regular
    )
    x, y, z = evaluation.with_positive_main_axis(result.normal)
    message = f"cut along ({x:.3f}, {y:.3f}, {z:.3f})"
    if regular:
        origin = "fitted" if thickness is None else "given"
        message += f", {result.thickness_um:.1f} µm from one section number to the next ({origin})"
    if bad.any():
        names = [name for name, is_bad in zip(series.names, bad, strict=True) if is_bad]
        message += f"; inferred from their neighbours: {abbreviated(names)}"
    return replace(series, planes=result.planes, inferred=bad), message


def bad_mask(series: Predictions, bad: Any) -> Array:
    """The sections that the option `bad` lists by number, file name or file name without suffix: bool (N,).

    Raises ValueError if an entry matches no section.
    """
    mask = np.zeros(len(series.names), dtype=bool)
    for entry in bad if isinstance(bad, list | tuple) else [bad]:
        matches = [
            entry == number or str(entry) in (name, Path(name).stem)
            for name, number in zip(series.names, series.numbers.tolist(), strict=True)
        ]
        if not any(matches):
            raise ValueError(f"bad={entry}: no predicted section has that number or name (bad=[...])")
        mask |= matches
    return mask
