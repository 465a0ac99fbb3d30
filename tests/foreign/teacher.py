"""A module whose first hook depends on the weights."""

from tests.foreign.variety import Base


class Teacher(Base):
    """Its first hook reads the weights, and freezes some of them."""

    def on_fit_start(self):
        self.first = self.net[1].weight.detach().norm().item()
        self.net[3].bias.requires_grad_(False)

    def validation_step(self, batch, batch_idx):
        super().validation_step(batch, batch_idx)
        self.log("first", self.first)
