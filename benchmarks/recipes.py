"""Recipes that benchmarks/search_speed.py compares with Ladder, each written as in its documentation.

    python -m benchmarks.recipes tune|reused|optuna|floor DATA TRIALS FOLDER [--module Net|ConvNet|Coder]

DATA is a folder of IDX files with images of 28 x 28 pixels and up to 10 classes. Each epoch of each trial
appends `unix-time accuracy` to a file in FOLDER. With `--module`, `tune` and `reused` train that module of
benchmarks/foreign.py and append its metric.
"""

import argparse
import functools
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import optuna
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks import foreign
from trainables.mnist.data import MnistData

EPOCHS, ETA, BATCH = 9, 3, 64
WORKERS = 2  # processes of the recipes `optuna` and `floor`


def sample(trial: optuna.Trial) -> dict[str, Any]:
    """A configuration of the parameters that spaces/mnist_classifier.yaml and this network share."""
    return {
        "lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-4, 1.0, log=True),
        "beta1": trial.suggest_float("beta1", 0.8, 0.98),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
    }


def define_space(trial: optuna.Trial) -> None:
    """`sample` for OptunaSearch, which must return None; at module level, because Tune pickles it."""
    sample(trial)


class Net(L.LightningModule):
    """784-128-64-10 with dropout."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = config
        self.net = network(config["dropout"])

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        x, y = batch
        loss = nn.functional.cross_entropy(self.net(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        x, y = batch
        self.log("val_accuracy", (self.net(x).argmax(1) == y).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return adamw(self.net, self.config)


class PerEpoch(L.Callback):
    """Calls `report` with the metric after each epoch."""

    def __init__(self, report: Callable[[float], None]) -> None:
        self.report = report

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.sanity_checking:
            metrics = trainer.callback_metrics
            self.report(float(metrics["val_accuracy" if "val_accuracy" in metrics else "val_rmse"]))


def network(dropout: float) -> nn.Sequential:
    """784-128-64-10 with ReLU and dropout."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(128, 64), nn.ReLU(), nn.Dropout(dropout), nn.Linear(64, 10),
    )  # fmt: skip


def adamw(net: nn.Module, config: dict[str, Any], **options: Any) -> torch.optim.AdamW:
    """AdamW for the network; `options` are passed on."""
    betas = (config["beta1"], 0.999)
    return torch.optim.AdamW(
        net.parameters(), lr=config["lr"], weight_decay=config["weight_decay"], betas=betas, **options
    )


def tensors(data: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Images (float) and labels of the training split and of the validation split."""
    module = MnistData(source="idx", root=data)
    return [split.__getitems__(torch.arange(len(split))) for split in map(module.split, ("train", "val"))]


def fit(config: dict[str, Any], data: str, report: Callable[[float], None]) -> None:
    """Trains one configuration with Lightning."""
    torch.set_num_threads(1)
    train, val = (TensorDataset(*split) for split in tensors(data))
    trainer = L.Trainer(
        max_epochs=EPOCHS, accelerator="auto", devices=1, logger=False, callbacks=[PerEpoch(report)],
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Net(config), DataLoader(train, BATCH, shuffle=True), DataLoader(val, 256))


def fit_foreign(module: str, config: dict[str, Any], data: str, report: Callable[[float], None]) -> None:
    """Trains one configuration of a module of benchmarks/foreign.py with Lightning."""
    torch.set_num_threads(1)
    trainer = L.Trainer(
        max_epochs=EPOCHS, accelerator="auto", devices=1, logger=False, callbacks=[PerEpoch(report)],
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(foreign.MODULES[module].make(**config), datamodule=foreign.Images(data))


def log_epoch(folder: str, accuracy: float) -> None:
    """Appends a line to the file of this process."""
    with open(Path(folder) / f"{os.getpid()}.epochs", "a") as file:
        file.write(f"{time.time()} {accuracy}\n")


def tune_search(data: str, trials: int, folder: str, reuse: bool, module: str | None = None) -> None:
    """Ray Tune with OptunaSearch and ASHAScheduler; `reuse` keeps its actors."""
    of = foreign.MODULES[module] if module else None
    metric, mode = (of.metric, of.mode) if of else ("val_accuracy", "max")
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    def trainable(config: dict[str, Any]) -> None:
        def report(value: float) -> None:
            log_epoch(folder, value)
            tune.report({metric: value})

        if module:
            fit_foreign(module, config, data, report)
        else:
            fit(config, data, report)

    tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        tune_config=tune.TuneConfig(
            metric=metric,
            mode=mode,
            search_alg=OptunaSearch(space=define_space, metric=metric, mode=mode, seed=0),
            scheduler=ASHAScheduler(max_t=EPOCHS, grace_period=1, reduction_factor=ETA),
            num_samples=trials,
            reuse_actors=reuse,
        ),
        run_config=tune.RunConfig(storage_path=f"{folder}/tune", verbose=0),
    ).fit()


def optuna_search(data: str, trials: int, folder: str) -> None:
    """Optuna's loop and pruner in two processes on one journal."""
    in_processes(optuna_worker, data, trials, folder)


def optuna_worker(data: str, trials: int, folder: str) -> None:
    """One process of `optuna_search`."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(f"{folder}/journal.log")),
        study_name="s",
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(),
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=ETA),
    )

    def objective(trial: optuna.Trial) -> float:
        accuracies: list[float] = []

        def report(accuracy: float) -> None:
            log_epoch(folder, accuracy)
            accuracies.append(accuracy)
            trial.report(accuracy, len(accuracies))
            if trial.should_prune():
                raise optuna.TrialPruned

        fit(sample(trial), data, report)
        return accuracies[-1]

    study.optimize(objective, callbacks=[optuna.study.MaxTrialsCallback(trials, states=None)])


def floor(data: str, trials: int, folder: str) -> None:
    """Bare training loops in two processes, without framework or search: the speed that two cores allow."""
    in_processes(bare_loop, data, trials, folder)


def bare_loop(data: str, trials: int, folder: str) -> None:
    """Trains one network for `trials` epochs."""
    torch.set_num_threads(1)
    (x, y), (vx, vy) = tensors(data)
    net = network(0.1)
    optimizer = adamw(net, {"lr": 1e-3, "weight_decay": 0.01, "beta1": 0.9}, fused=True)
    for _ in range(trials):
        net.train()
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            log_epoch(folder, float((net(vx).argmax(1) == vy).float().mean()))


def in_processes(function: Callable[[str, int, str], None], data: str, trials: int, folder: str) -> None:
    """Calls the function in WORKERS processes. Raises RuntimeError if one of them fails."""
    context = torch.multiprocessing.get_context("spawn")
    workers = [context.Process(target=function, args=(data, trials, folder)) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise RuntimeError(f"{function.__name__} failed; its error is printed above")


RECIPES: dict[str, Callable[..., None]] = {
    "tune": functools.partial(tune_search, reuse=False),
    "reused": functools.partial(tune_search, reuse=True),
    "optuna": optuna_search,
    "floor": floor,
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("data")
    parser.add_argument("trials", type=int)
    parser.add_argument("folder")
    parser.add_argument("--module", choices=foreign.MODULES)
    options = parser.parse_args(argv)
    further = {"module": options.module} if options.module else {}
    RECIPES[options.recipe](options.data, options.trials, options.folder, **further)


if __name__ == "__main__":
    main()
