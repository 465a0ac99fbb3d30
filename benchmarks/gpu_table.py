"""What `gpu.py` measures, and its table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Sizes:
    """What is measured: numbers of lanes, images of a batch, steps, processes at once, and Xception's."""

    lanes: tuple[int, ...] = (1, 4, 16, 64, 256, 1024)
    batch: int = 64
    steps: int = 200
    processes: int = 8
    pixels: int = 299
    xception_batch: int = 32
    xception_steps: int = 20
    warm_up: int = 3
    limit: float = 5.0  # seconds of the warm-up, and of the steps


QUICK = Sizes((1, 2), batch=4, steps=2, processes=1, pixels=71, xception_batch=2, xception_steps=1, warm_up=1)


@final
@dataclass(frozen=True)
class Row:
    """Steps per second of one network; of Xception images per second.

    `packs` by the number of lanes; None where the memory of the GPU was too small.
    """

    net: str
    packs: dict[int, float | None]
    process: float | None
    processes: float | None
    goal: float

    @property
    def ratio(self) -> float | None:
        """Of the fastest pack to one process."""
        return max(speed or 0.0 for speed in self.packs.values()) / self.process if self.process else None


def table(rows: Sequence[Row], sizes: Sizes) -> str:
    """The rows as a Markdown table."""
    head = [*(f"{lanes:,} lanes" for lanes in sizes.lanes), "1 process", f"{sizes.processes} processes"]
    lines = [["", *head, "ratio", "goal"], ["---"] * (len(head) + 3)]
    for row in rows:
        speeds = [row.packs.get(lanes) for lanes in sizes.lanes]
        cells = ["-" if speed is None else f"{speed:,.0f}" for speed in (*speeds, row.process, row.processes)]
        ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
        lines.append([row.net, *cells, ratio, f"{row.goal:g}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
