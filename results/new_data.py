"""A confirmation's scores and leads with intervals over seeds and test samples together."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np

from results.crossed import Matrix, crossed
from results.sample_scores import SampleScores
from results.stats import DEFAULT, Confirmation, Estimate

Samples = Mapping[tuple[str, int], SampleScores]  # by configuration and seed
NO_MEAN = "not available: the objective is neither a mean over test samples or batches nor the root of one"
NOT_KEPT = "not available: this confirmation kept no scores of test samples"
OTHER_UNITS = "that of its lead is not available: the test batches of the configurations differ"


@final
@dataclass(frozen=True)
class NewData:
    """Intervals of a confirmation for new seeds and new test samples. Leads as in Confirmation."""

    missing: str = ""  # why some are missing
    unit: str = ""  # sample or batch; empty if all are missing
    units: int = 0  # number of these in the test split, or the least number
    scores: Mapping[str, Estimate] = field(default_factory=dict)  # by configuration
    lead: Estimate | None = None
    lead_over_default: Estimate | None = None


def new_data(confirmation: Confirmation, seeds: Collection[int], samples: Samples) -> NewData | None:
    """The intervals, from the scores of test samples; None where seeds alone give none (fewer than two).

    `seeds` are those on which the configurations are compared.
    """
    if len(seeds) < 2 or confirmation.winner is None:
        return None
    values: dict[str, Matrix] = {}
    sizes: dict[str, list[int]] = {}
    kept = [samples.get((config.config, seed)) for config in confirmation.configs for seed in seeds]
    known = [one for one in kept if one is not None]
    for config in confirmation.configs:
        own = [samples[config.config, seed] for seed in seeds if (config.config, seed) in samples]
        if len(own) == len(seeds) and len({tuple(one.sizes) for one in own}) == 1:
            values[config.config] = np.array([one.linearized() for one in own])
            sizes[config.config] = own[0].sizes.tolist()
    if not known or confirmation.winner not in values:
        return NewData(missing=NO_MEAN if samples else NOT_KEPT)
    sign = 1 if confirmation.mode == "min" else -1

    def lead(other: str | None) -> Estimate | None:
        winner = confirmation.winner
        if winner is None or other not in values or other == winner or sizes[other] != sizes[winner]:
            return None
        return crossed(sign * (values[other] - values[winner]))

    first = lead(confirmation.runner_up)
    return NewData(
        missing=OTHER_UNITS if first is None and confirmation.runner_up else "",
        unit=known[0].unit,
        units=min(map(len, sizes.values())),
        scores={config: crossed(matrix) for config, matrix in values.items()},
        lead=first,
        lead_over_default=lead(DEFAULT) if confirmation.lead_over_default else None,
    )
