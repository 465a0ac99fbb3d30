"""WatchedTrainer: tells whether data asks its trainer for what may differ between trials."""

from typing import Any, final

# Of a trainer of any trial of a search.
SAME = frozenset(
    {"world_size", "num_devices", "num_nodes", "global_rank", "local_rank", "node_rank", "is_global_zero"}
    | {"state", "training", "validating", "testing", "sanity_checking"}
)


@final
class WatchedTrainer:
    """Stands in for a trainer; `asked` is whether more was read of it than its devices and its stage."""

    def __init__(self, trainer: Any) -> None:
        self.watched, self.asked = trainer, False

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # so that it is an instance of Trainer
        return type(self.watched)

    def __getattr__(self, name: str) -> Any:
        self.asked = self.asked or name not in SAME
        return getattr(self.watched, name)
