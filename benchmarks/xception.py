"""Xception's training speed: the slice regressor as train.py trains it, beside plain timm.

    python -m benchmarks.xception

Each recipe has a process of its own and they take turns, so that both see the same machine; ratios are
medians over rounds. Then the share of an epoch that is spent outside forward, backward and optimizer,
in epochs trained by `trainables.training.train.train` on the phantom.
"""

import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, ClassVar

import timm
import torch
from torch import Tensor

from trainables.slices.xception import SliceRegressor
from trainables.training.fit import has_bf16
from trainables.training.memory import keep_memory
from trainables.training.train import Lane, Setup, train

Step = Callable[[Tensor, Tensor], None]

BATCH = 16
CASES = [  # image size, threads, rounds, steps a round, the least ratio we claim
    (96, 2, 5, 2, 2.0),
    (64, 1, 5, 2, None),
    (299, 2, 3, 1, 2.5),
]
OUTSIDE = 0.05  # the largest share of an epoch outside forward, backward and optimizer
EPOCHS = 4  # trained for it; the first is warm-up, the last also writes the job's checkpoint


def plain() -> Step:
    """The usual recipe: timm's model in float32, AdamW's defaults."""
    model = timm.create_model("legacy_xception", in_chans=1, num_classes=9)
    optimizer = torch.optim.AdamW(model.parameters())

    def step(images: Tensor, planes: Tensor) -> None:
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(images), planes).backward()
        optimizer.step()

    return step


def ladder() -> Step:
    """Ours: precision, memory format and optimizer as train.py chooses them."""
    keep_memory()
    learner = SliceRegressor(target_mean=torch.zeros(9), target_std=torch.ones(9), voxel_um=25.0)
    learner.to(memory_format=torch.channels_last)
    mixed = learner.mixed_precision and has_bf16()
    optimizer = learner.optim.build(learner)

    def step(images: Tensor, planes: Tensor) -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss = learner.losses((images, planes)).mean()
        loss.backward()
        optimizer.step()

    return step


def work(recipe: Callable[[], Step], size: int, threads: int, pipe: Connection) -> None:
    """Runs as many steps as the pipe asks for and answers with the seconds they took."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    step, batch = recipe(), (torch.rand(BATCH, 1, size, size), torch.randn(BATCH, 9))
    while steps := pipe.recv():
        began = time.perf_counter()
        for _ in range(steps):
            step(*batch)
        pipe.send(time.perf_counter() - began)


def images_per_second(size: int, threads: int, rounds: int, steps: int) -> list[tuple[float, float]]:
    """(plain, ladder) of each round."""
    context = multiprocessing.get_context("spawn")
    pipes = []
    for recipe in (plain, ladder):
        ours, theirs = context.Pipe()
        context.Process(target=work, args=(recipe, size, threads, theirs), daemon=True).start()
        pipes.append(ours)

    def measure(pipe: Connection, steps: int) -> float:
        pipe.send(steps)
        return BATCH * steps / pipe.recv()

    for pipe in pipes:
        measure(pipe, 1)  # warm-up
    speeds = [(measure(pipes[0], steps), measure(pipes[1], steps)) for _ in range(rounds)]
    for pipe in pipes:
        pipe.send(0)
    return speeds


class Timed(SliceRegressor):
    """Adds up the seconds of forward, backward and optimizer, epoch by epoch."""

    busy: ClassVar[list[float]] = [0.0]

    @contextmanager
    def clock(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.busy[-1] += time.perf_counter() - began

    def losses(self, batch: Any) -> Tensor:
        with self.clock():
            return super().losses(batch)

    def metrics(self, batch: Any) -> dict[str, Tensor]:
        with self.clock():
            return super().metrics(batch)

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        with self.clock():
            super().backward(loss, *args, **kwargs)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        optimizer = super().configure_optimizers()
        update = optimizer.step

        def step(closure: Callable[[], Any]) -> Any:
            result = closure()  # forward and backward
            with self.clock():
                update()
            return result

        optimizer.step = step  # type: ignore[method-assign,assignment]
        return optimizer

    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        self.busy.append(0.0)


def epochs() -> dict[str, float]:
    """An epoch's seconds, its share outside forward, backward and optimizer, and a job's last write."""
    torch.set_num_threads(2)
    setup = Setup(
        trainable=f"{__name__}:Timed",
        data="trainables.slices.sections.data:SliceData",
        options={"image_size": 64, "train": 256, "val": 128, "batch_size": BATCH},
        seed=0,
        epochs=EPOCHS,
        objective="val/distance_um",
    )
    with tempfile.TemporaryDirectory() as folder:
        reports = list(train(setup, [Lane(number=0, params={}, seed=0)], 0, EPOCHS, f"{folder}/checkpoint"))
    seconds = [report.seconds for report in reports]
    outside = [total - busy for total, busy in zip(seconds, Timed.busy, strict=False)]
    return {
        "seconds": statistics.mean(seconds[1:-1]),
        "outside": sum(outside[1:-1]) / sum(seconds[1:-1]),
        "checkpoint_seconds": outside[-1] - statistics.mean(outside[1:-1]),
    }


def main() -> None:
    began = time.perf_counter()
    print(f"Xception, batches of {BATCH}, images/s (median of rounds)")
    print(f"{'size':>6} {'threads':>8} {'plain timm':>11} {'ladder':>8} {'ratio':>7}   at least")
    results: list[dict[str, Any]] = []
    for size, threads, rounds, steps, least in CASES:
        speeds = images_per_second(size, threads, rounds, steps)
        usual, ours = (statistics.median(column) for column in zip(*speeds, strict=True))
        ratio = statistics.median(b / a for a, b in speeds)
        figures = f"{usual:>11.1f} {ours:>8.1f} {ratio:>6.2f}x   {least or '-'}"
        print(f"{size:>4}px {threads:>8} {figures}", flush=True)
        results.append({"size": size, "threads": threads, "plain": usual, "ladder": ours, "ratio": ratio})
    epoch = epochs()
    print(
        f"an epoch at 64 px takes {epoch['seconds']:.2f} s; outside forward, backward and optimizer: "
        f"{epoch['outside']:.1%} (at most {OUTSIDE:.0%}); "
        f"the checkpoint that ends a job takes {epoch['checkpoint_seconds']:.2f} s"
    )
    print(json.dumps({"speed": results, "epoch": epoch, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
