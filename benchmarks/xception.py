"""Training speed of Xception: the slice regressor as a search trains it, compared with plain timm.

    python -m benchmarks.xception [--cases SIZE,THREADS,ROUNDS,STEPS] [--epochs 4] [--train 256] [--threads 2]

Prints images/s of both recipes for each case: image size in pixels, threads, rounds, and training steps per
round. Each recipe has a process of its own, and they take turns, so that both see the same load of the
machine; ratios are medians over rounds. Then prints the share of an epoch that is spent outside forward pass,
backward pass and optimizer, in epochs trained by `trainables.training.train.train` on the phantom.
"""

import argparse
import functools
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import Any
from unittest import mock

import timm
import torch
from torch import Tensor

from spaces.lane import Lane
from trainables.slices.xception import SliceRegressor
from trainables.training import checkpoint
from trainables.training.memory import keep_memory
from trainables.training.precision import has_bf16
from trainables.training.setup import Setup
from trainables.training.train import train

Step = Callable[[Tensor, Tensor], None]

BATCH = 16
CASES = ["96,2,5,2", "64,1,5,2", "299,2,3,1"]
TARGET_RATIOS = {(96, 2): 2.0, (299, 2): 2.5}  # by image size and threads: ladder's speed over plain timm's
TARGET_OUTSIDE = 0.05  # largest share of an epoch outside forward pass, backward pass and optimizer


def plain_step() -> Step:
    """The usual recipe: timm's model in float32, AdamW with default arguments."""
    model = timm.create_model("legacy_xception", in_chans=1, num_classes=9)
    optimizer = torch.optim.AdamW(model.parameters())

    def step(images: Tensor, planes: Tensor) -> None:
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(images), planes).backward()
        optimizer.step()

    return step


def ladder_step() -> Step:
    """Ladder's recipe: precision, memory format and optimizer as trainables.training chooses them."""
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


def serve(recipe: Callable[[], Step], size: int, threads: int, pipe: Connection) -> None:
    """Runs as many steps as each message asks for and answers with their seconds; 0 ends the process."""
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
    pipes, processes = [], []
    for recipe in (plain_step, ladder_step):
        own_end, other_end = context.Pipe()
        process = context.Process(target=serve, args=(recipe, size, threads, other_end), daemon=True)
        process.start()
        pipes.append(own_end)
        processes.append(process)

    def measure(pipe: Connection, steps: int) -> float:
        pipe.send(steps)
        return BATCH * steps / pipe.recv()

    for pipe in pipes:
        measure(pipe, 1)  # warm-up
    speeds = [(measure(pipes[0], steps), measure(pipes[1], steps)) for _ in range(rounds)]
    for pipe, process in zip(pipes, processes, strict=True):
        pipe.send(0)
        process.join()
    return speeds


@contextmanager
def timed_calls(*functions: tuple[Any, str]) -> Iterator[list[float]]:
    """Yields a list that receives the seconds of each call of `functions`, each given as owner and name."""
    seconds: list[float] = []

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            result = function(*args, **kwargs)
            seconds.append(time.perf_counter() - began)
            return result

        return call

    with ExitStack() as stack:
        for owner, name in functions:
            stack.enter_context(mock.patch.object(owner, name, timed(getattr(owner, name))))
        yield seconds


def epoch_seconds(epochs: int, sections: int, threads: int) -> dict[str, float]:
    """Seconds of an epoch, its share outside forward, backward and optimizer, and seconds of a checkpoint.

    The first epoch is warm-up and does not count.
    """
    assert epochs >= 2, "the first epoch is warm-up"
    torch.set_num_threads(threads)
    setup = Setup(
        trainable="trainables.slices.xception:SliceRegressor",
        data="trainables.slices.sections.data:SliceData",
        options={"image_size": 64, "train": sections, "val": sections // 2, "batch_size": BATCH},
        seed=0,
        epochs=epochs,
        objective="val/distance_um",
    )
    model_calls = [
        (SliceRegressor, "losses"),
        (SliceRegressor, "metrics"),
        (Tensor, "backward"),
        (torch.optim.AdamW, "step"),
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        timed_calls(*model_calls) as busy,
        timed_calls((checkpoint, "save")) as saving,
    ):
        lanes = [Lane(number=0, params={}, seed=0)]
        reports = list(train(setup, lanes, 0, epochs, f"{folder}/checkpoint"))
    calls = len(busy) // epochs  # every epoch makes the same calls
    assert calls * epochs == len(busy), (len(busy), epochs)
    total = sum(report.seconds for report in reports[1:])
    return {
        "seconds": total / (epochs - 1),
        "outside": 1 - sum(busy[calls:]) / total,
        "checkpoint_seconds": sum(saving),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", nargs="*", default=CASES, metavar="SIZE,THREADS,ROUNDS,STEPS")
    parser.add_argument("--epochs", type=int, default=4, help="at least 2; the first is warm-up")
    parser.add_argument("--train", type=int, default=256, help="sections of an epoch")
    parser.add_argument("--threads", type=int, default=2, help="threads in the epochs")
    args = parser.parse_args(arguments)
    began = time.perf_counter()
    print(f"Xception, batches of {BATCH}, images/s (median of rounds)")
    print(f"{'size':>6} {'threads':>8} {'plain timm':>11} {'ladder':>8} {'ratio':>7}   target")
    results: list[dict[str, Any]] = []
    for case in args.cases:
        size, threads, rounds, steps = map(int, case.split(","))
        speeds = images_per_second(size, threads, rounds, steps)
        plain, ladder = (statistics.median(column) for column in zip(*speeds, strict=True))
        ratio = statistics.median(ours / theirs for theirs, ours in speeds)
        figures = f"{plain:>11.1f} {ladder:>8.1f} {ratio:>6.2f}x   {TARGET_RATIOS.get((size, threads), '-')}"
        print(f"{size:>4}px {threads:>8} {figures}", flush=True)
        results.append({"size": size, "threads": threads, "plain": plain, "ladder": ladder, "ratio": ratio})
    epoch = epoch_seconds(args.epochs, args.train, args.threads)
    print(
        f"an epoch at 64 px takes {epoch['seconds']:.2f} s; outside forward, backward and optimizer: "
        f"{epoch['outside']:.1%} (target: at most {TARGET_OUTSIDE:.0%}); "
        f"the checkpoint at the end of a job takes {epoch['checkpoint_seconds']:.2f} s"
    )
    print(json.dumps({"speed": results, "epoch": epoch, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
