"""Training on a GPU: packs against a process for each trial, and Xception against the bare compiled loop.

    python -m benchmarks.gpu [--device cuda] [--quick] [--json FILE]

The networks are those of the MNIST spaces: dense layers 784-128-64-10 (mlp), and two convolutions before
them (cnn), in batches of 64 images that lie on the device. A pack takes batched steps of 1 to 1,024 lanes,
as they are and recorded as CUDA graphs. A process for each trial is PyTorch's usual loop with fused AdamW:
one, and eight that share the GPU. Speeds are steps per second, of all trials together. Xception trains on
images of 299 pixels in batches of 32 with bf16: the slice regressor as a pack of one, and timm's model in a
compiled loop, in images per second.

Prints a Markdown table, and with `--json` writes it as JSON, anew after each network. Slow steps are fewer: a
measurement takes some 10 s at most. What fails or has no memory is left out; stderr says so.
`--quick`: tiny sizes, which show only that the program runs. `--device cpu` records nothing.
"""

import argparse
import gc
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from math import inf
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.gpu_table import QUICK, Row, Sizes, table
from trainables.mnist.nets import encoder

SHAPE, CLASSES, WIDTHS = (1, 28, 28), 10, "128-64"
GOALS = {"mlp": 100.0, "cnn": 20.0}  # of the fastest pack, times the speed of one process
XCEPTION_GOAL = 0.95  # of the speed of the bare loop

Step = Callable[[], object]


def step_seconds(step: Step, steps: int, sizes: Sizes, device: str) -> float:
    """Seconds of a step: the mean of so many, or of fewer slow ones, after the warm-up."""
    began, last = time.perf_counter(), 0.0
    for _ in range(sizes.warm_up):
        last = timed(step, 1, device)
        if time.perf_counter() - began > sizes.limit:
            break
    return timed(step, max(1, min(steps, int(sizes.limit / last))), device)


def timed(step: Step, steps: int, device: str) -> float:
    """Seconds of a step: the mean of so many, until the GPU has finished."""
    synchronize(device)
    began = time.perf_counter()
    for _ in range(steps):
        step()
    synchronize(device)
    return (time.perf_counter() - began) / steps


def free_memory() -> None:
    """Frees the memory of the models before, which refer to each other."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def synchronize(device: str) -> None:
    """Waits for the GPU, if the device is one."""
    if device != "cpu":
        torch.cuda.synchronize()


def images(batch: int, device: str) -> list[torch.Tensor]:
    """A batch of noise and its labels."""
    return [torch.rand(batch, *SHAPE, device=device), torch.randint(CLASSES, (batch,), device=device)]


def bare_step(net: str, batch: int, device: str) -> Step:
    """A step of PyTorch's usual loop."""
    widths = [int(width) for width in WIDTHS.split("-")]
    model = encoder(net, SHAPE, widths, CLASSES, "none", 0.2).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    x, y = images(batch, device)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def serve(sizes: Sizes, device: str, pipe: Connection) -> None:
    """Trains each network that a message names, from a second message on; answers with seconds a step."""
    torch.set_num_threads(1)
    while net := pipe.recv():
        step = bare_step(net, sizes.batch, device)
        step_seconds(step, 1, sizes, device)
        pipe.send(0.0)
        pipe.recv()
        pipe.send(step_seconds(step, sizes.steps, sizes, device))


def process_speeds(sizes: Sizes, device: str) -> dict[str, float]:
    """Steps per second of all processes together, by network; without those where a process has died."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for _ in range(sizes.processes):
        own_end, other_end = context.Pipe()
        processes.append(context.Process(target=serve, args=(sizes, device, other_end), daemon=True))
        processes[-1].start()
        other_end.close()  # else the end of a process would not be noticed
        pipes.append(own_end)
    speeds = {}
    try:
        for net in GOALS:
            for message in (net, "begin"):
                for pipe in pipes:
                    pipe.send(message)
                times = [pipe.recv() for pipe in pipes]
            speeds[net] = sizes.processes / max(times)
        for pipe in pipes:
            pipe.send("")
    except (EOFError, OSError):
        print(f"one of {sizes.processes} processes has died", file=sys.stderr)
        for process in processes:
            process.terminate()
    for process in processes:
        process.join()
    return speeds


def pack_step(
    learners: Sequence[Any], batch: Any, device: str, *, mixed: bool = False, recorded: bool = False
) -> Step:
    """A step of learners as a group of a pack, in bf16 if `mixed`, as Lightning would call it.

    Raises MemoryError when batched steps fail, which they do for no other reason here, and ValueError if the
    step shall be `recorded` and can't be.
    """
    import lightning as L

    from trainables.training.packs.group import Group
    from trainables.training.packs.lane import TrainBatch
    from trainables.training.packs.learner_lane import LearnerLane
    from trainables.training.packs.recording import record_step

    lanes = {}
    for number, learner in enumerate(learners):
        lanes[number] = LearnerLane(learner, L.LightningDataModule())
        learner.to(device)
        lanes[number].configure(None, number)
    group = Group(lanes, batched=None if recorded else True)
    one = TrainBatch(0, 0.0, batch, last=False)
    if recorded:
        record_step(group, one, best=inf)
        if not group.records:
            raise ValueError("the step can't be recorded; the log says why")
        group.batched = True

    def step() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=mixed, cache_enabled=False):
            group.train([one], 0)
        if group.obstacle:
            raise MemoryError(group.obstacle)

    return step


def pack_speed(net: str, lanes: int, sizes: Sizes, device: str, *, recorded: bool = False) -> float | None:
    """Steps per second of all lanes together; None if they do not fit into memory or can't be recorded."""
    free_memory()
    from trainables.mnist.classifier import Classifier

    learners = [
        Classifier(
            n_classes=CLASSES, image_shape=SHAPE, net=net, widths=WIDTHS, dropout=0.2, lr=1e-3 / (1 + i)
        )
        for i in range(lanes)
    ]
    try:
        step = pack_step(learners, images(sizes.batch, device), device, recorded=recorded)
        return lanes / step_seconds(step, sizes.steps, sizes, device)
    except (MemoryError, ValueError, torch.OutOfMemoryError) as error:
        print(f"{net}, {lanes} lanes: {error}", file=sys.stderr)
        return None


def xception(sizes: Sizes, device: str) -> Row:
    """Images per second of the slice regressor and of the bare loop; None for a loop that fails."""
    import timm

    from trainables.slices.xception import SliceRegressor
    from trainables.training.precision import has_bf16

    batch, mixed = sizes.xception_batch, has_bf16()
    x = torch.rand(batch, 1, sizes.pixels, sizes.pixels, device=device)
    x, y = x.to(memory_format=torch.channels_last), torch.randn(batch, 9, device=device)
    learner = SliceRegressor(target_mean=torch.zeros(9), target_std=torch.ones(9), voxel_um=25.0)
    ours = pack_step([learner.to(memory_format=torch.channels_last)], (x, y), device, mixed=mixed)
    model: Any = timm.create_model("legacy_xception", in_chans=1, num_classes=9)
    model = model.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    compiled = model if device == "cpu" else torch.compile(model)

    def bare() -> None:
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=mixed):
            loss = nn.functional.mse_loss(compiled(x), y)
        loss.backward()
        optimizer.step()

    packs: dict[int, float | None] = {1: batch / step_seconds(ours, sizes.xception_steps, sizes, device)}
    other = None
    try:
        bare()  # compiles
        other = batch / step_seconds(bare, sizes.xception_steps, sizes, device)
    except Exception as error:  # a compiler may lack a part of its own
        print(f"xception, bare loop: {error}", file=sys.stderr)
    return Row(f"xception, {sizes.pixels} px", packs, other, None, XCEPTION_GOAL)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: a test of the program")
    parser.add_argument("--json", type=Path, help="file to write")
    args = parser.parse_args(arguments)
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no GPU; --device cpu --quick tests the program")
    sizes, device = QUICK if args.quick else Sizes(), args.device
    name, rows = torch.cuda.get_device_name() if device == "cuda" else "CPU", []
    for row in measured(sizes, device):
        rows.append(row)
        if args.json:
            found = [asdict(row) | {"ratio": row.ratio} for row in rows]
            args.json.write_text(
                json.dumps({"device": name, "sizes": asdict(sizes), "rows": found}, indent=1)
            )
    print(f"{name}, PyTorch {torch.__version__}; steps per second, of Xception images per second\n")
    print(table(rows, sizes))


def measured(sizes: Sizes, device: str) -> Iterator[Row]:
    """Yields the row of each network."""
    together = process_speeds(sizes, device)
    for net, goal in GOALS.items():
        alone = 1 / step_seconds(bare_step(net, sizes.batch, device), sizes.steps, sizes, device)
        for recorded in (False, True) if device != "cpu" else (False,):
            packs: dict[int, float | None] = dict.fromkeys(sizes.lanes)
            for lanes in sizes.lanes:
                packs[lanes] = pack_speed(net, lanes, sizes, device, recorded=recorded)
                if packs[lanes] is None:
                    break  # more do not fit either
            yield Row(f"{net}{', recorded' * recorded}", packs, alone, together.get(net), goal)
    free_memory()
    yield xception(sizes, device)


if __name__ == "__main__":
    main()
