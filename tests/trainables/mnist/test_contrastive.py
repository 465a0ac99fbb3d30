"""The contrastive encoder: its loss and metric against plain loops."""

import pytest
import torch

from tests.trainables.mnist.learners import make
from trainables.mnist.contrastive import Contrastive
from trainables.mnist.views import TwoViews


def test_loss_and_neighbour_match_plain_loops() -> None:
    batch = next(iter(TwoViews(batch_size=6).train_dataloader()))
    torch.manual_seed(0)
    learner = make(Contrastive, temperature=0.3).eval()
    images, labels = batch
    rows = learner.projection(learner(torch.cat([images[:, 1], images[:, 2]])))
    cosine = torch.nn.functional.cosine_similarity(rows[:, None], rows[None], dim=2) / 0.3
    losses = []
    for row in range(12):
        others = [column for column in range(12) if column != row]
        losses.append(cosine[row, others].logsumexp(0) - cosine[row, (row + 6) % 12])
    expected = (torch.stack(losses[:6]) + torch.stack(losses[6:])) / 2
    torch.testing.assert_close(learner.losses(batch), expected, rtol=1e-4, atol=1e-5)

    features = learner(images[:, 0]).detach()
    same = torch.nn.functional.cosine_similarity(features[:, None], features[None], dim=2)
    nearest = [max((j for j in range(6) if j != i), key=lambda j: float(same[i, j])) for i in range(6)]
    assert torch.equal(learner.metrics(batch)["neighbour"], (labels[nearest] == labels).float())


def test_a_temperature_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match=r"temperature is 0\.0, but must be > 0"):
        make(Contrastive, temperature=0.0)
