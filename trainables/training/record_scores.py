"""Records the objective on each test sample, or batch, while Lightning validates on the test split."""

from collections.abc import Sequence
from typing import Any, final

import lightning as L
import numpy as np
from lightning.pytorch.utilities.data import extract_batch_size
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler
from torchmetrics import Metric

from results.sample_scores import SampleScores, sample_scores
from trainables.learner import Learner


@final
class RecordScores(L.Callback):
    """Records one validation of `module`: of a Learner each sample, of any other module each batch.

    A batch's value is the one that the module logs with `self.log`, or, where it logs a torchmetrics
    object, the result of calling that on the batch. A module that validates afterwards must be built anew.
    """

    def __init__(self, module: L.LightningModule, objective: str) -> None:
        self.objective = objective
        self.unit = "sample" if isinstance(module, Learner) else "batch"
        self.sizes: list[int] = []
        self.values: list[float] = []
        self.batch: Any = None  # that is being validated
        self.outputs: dict[Metric, Any] = {}  # of the batch
        if isinstance(module, Learner):
            self.record_samples(module)
        else:
            self.record_batches(module)

    def on_validation_batch_start(
        self, trainer: L.Trainer, module: L.LightningModule, batch: Any, *position: Any
    ) -> None:
        self.batch = batch
        self.outputs.clear()

    def on_validation_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, *rest: Any
    ) -> None:
        self.batch = None

    def record_samples(self, module: Learner) -> None:
        """Records the metrics of each sample that the learner returns."""
        inner = module.metrics

        def metrics(batch: Any) -> dict[str, Tensor]:
            found = inner(batch)
            name = self.objective.removeprefix("val/")
            if self.batch is not None and name in found:
                values = found[name].detach().double().cpu().tolist()
                self.values += values
                self.sizes += [1] * len(values)
            return found

        module.metrics = metrics  # type: ignore[method-assign]

    def record_batches(self, module: L.LightningModule) -> None:
        """Records the objective that the module logs in each batch."""
        inner = module.log
        for part in module.modules():
            if isinstance(part, Metric):
                part.register_forward_hook(lambda metric, _, output: self.outputs.update({metric: output}))

        def log(name: str, value: Any, *arguments: Any, **options: Any) -> None:
            inner(name, value, *arguments, **options)
            if self.batch is not None and self.objective in (name, f"{name}_epoch"):
                value = self.outputs.get(value) if isinstance(value, Metric) else value
                self.values.append(float("nan") if value is None else float(value))
                self.sizes.append(options.get("batch_size") or extract_batch_size(self.batch))

        module.log = log  # type: ignore[method-assign]

    def result(self, score: float, loaders: Any) -> SampleScores | None:
        """What was recorded, if it makes up the score of the split, in an order that `loaders` keep."""
        every: Sequence[Any] = loaders if isinstance(loaders, list | tuple) else [loaders]
        if any(isinstance(one, DataLoader) and isinstance(one.sampler, RandomSampler) for one in every):
            return None
        return sample_scores(self.unit, np.array(self.sizes, np.int64), np.array(self.values), score)
