"""The probe: a frozen encoder, as exported or with random weights."""

from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file

from tests.trainables.mnist.learners import digits_batch, make
from trainables.mnist.contrastive import Contrastive
from trainables.mnist.probe import Probe


def test_only_the_head_of_an_exported_encoder_trains(tmp_path: Path) -> None:
    init_args = {"image_shape": [1, 8, 8], "features": 12, "widths": "16"}
    encoder = Contrastive(**init_args)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"model": {"init_args": init_args}}))
    save_file(encoder.state_dict(), tmp_path / "model.safetensors")
    probe = make(Probe, encoder=str(tmp_path), widths="none").train()
    trained = {name for name, parameter in probe.named_parameters() if parameter.requires_grad}
    assert trained == {"head.0.weight", "head.0.bias"}
    images, labels = digits_batch()
    assert torch.equal(probe(images), probe.head(encoder.eval()(images)))
    losses = probe.losses((images, labels))
    torch.testing.assert_close(probe.metrics((images, labels))["loss"], losses)


def test_a_folder_without_an_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no exported contrastive learner"):
        make(Probe, encoder=str(tmp_path))
