"""The metrics that a module's source logs in validation, through its bases and mixins."""

import lightning as L

from search.before.logged_metrics import validation_metrics
from search.before.new_space import objective


class Logs:
    """A mixin."""

    def on_validation_epoch_end(self):
        self.log_dict({"val/f1": 0.0, "val/loss": 0.0}, prog_bar=True)


class Base(L.LightningModule):
    """Logs in two methods."""

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", 0.0)

    def on_train_epoch_end(self):
        self.log(name="valid_gap", value=0.0)
        self.log(f"val_{self.current_epoch}", 0.0)


class Inherits(Logs, Base):
    """Args:
    lr: the rate
    """

    def validation_step(self, batch, batch_idx):
        super().validation_step(batch, batch_idx)


class Overrides(Base):
    def validation_step(self, batch, batch_idx):
        if self.training:
            self.log("val_error", 0.0)
        self.log("value", 0.0)
        self.log("val_rate", 0.0)


def test_the_source_of_bases_and_mixins_tells_what_is_logged():
    assert sorted(validation_metrics(Inherits)) == ["val/f1", "val/loss", "val_loss", "valid_gap"]
    assert validation_metrics(Overrides) == ["val_error", "val_rate", "valid_gap"]
    assert validation_metrics(L.LightningModule) == []
    assert objective(Inherits)[:2] == ("val/f1", "max")
